"""Encoder and decoder: x -> h and z -> raw.

The encoder ends in an affine map to the F features that the bottleneck reads; the decoder ends in an affine map. No norm,
no activation and no dropout follows either of them. The input is centred on the training mean and the output starts there:
without that a linear autoencoder converges to the uncentred SVD, not to PCA (Bourlard & Kamp 1988,
https://doi.org/10.1007/BF00332918), and every other one spends its first epochs on learning a constant.
"""
