"""What several front ends share. A part is not a front end, and YAML never names one."""
