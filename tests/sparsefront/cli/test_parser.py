"""The parser of the command line."""

from sparsefront.cli.parser import Parser
from sparsefront.common.pixel_size import PixelSize


def test_the_help_says_of_a_size_how_it_is_written():
    for words in range(1, 80, 5):  # wherever the line breaks
        parser = Parser()
        parser.add_argument("--eps", type=PixelSize | None, default="8/255", help="x " * words)
        told = " ".join(parser.format_help().split())
        assert "number or fraction such as 8/255" in told
        assert "Annotated" not in told
