"""Which version this is: that of the Statehouse it is released with."""

__version__ = "0.2.0"
