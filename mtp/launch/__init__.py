"""Host side: turns a verb into the exact docker, apptainer, srun or native command. Standard library only, Python >= 3.6."""
