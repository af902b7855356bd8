"""Decoders from codes to data."""

from sklearn_ebm.factors.decoders._convolutional import ConvolutionalDecoder, PatchDecoder
from sklearn_ebm.factors.decoders._linear import LinearDecoder
from sklearn_ebm.factors.decoders._local import LocalDecoder

__all__ = ["ConvolutionalDecoder", "LinearDecoder", "LocalDecoder", "PatchDecoder"]
