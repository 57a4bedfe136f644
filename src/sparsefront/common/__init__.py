"""What every part may import: files, written whole and read as data. Imports none of ours."""
