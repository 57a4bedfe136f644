"""RegionSparse and its filters against the same steps by OpenCV, scikit-image, scikit-learn and kornia."""
