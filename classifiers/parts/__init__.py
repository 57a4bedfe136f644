"""What several classifiers share. A part is not a classifier, and YAML never names one."""
