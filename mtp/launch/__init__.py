"""Host side: turns a verb into the exact docker, apptainer, srun or native command. Standard library, Python >= 3.6."""
