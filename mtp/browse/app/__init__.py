"""What runs in the browser: scripts, style and page of ours, and OpenSeadragon as published (``vendor.json``)."""
