"""What several attacks share. A part is not an attack, and YAML never names one."""
