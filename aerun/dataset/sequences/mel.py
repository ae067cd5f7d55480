"""Log-mel energies: how loud a sound is in each band of pitch, from one moment to the next."""

import torch
from torch import Tensor

from aerun.core.errors import AerunError


def log_mel(x: Tensor, bank: Tensor, window: int, hop: int, floor: float) -> Tensor:
    """Map sounds x (B, N) in [-1, 1] to log-mel energies v (B, T, M) in [0, 1], T = 1 + (N - window) // hop.

    X_tk = sum_n w_n x_{t hop + n} exp(-2 pi i k n / window) / sum_n w_n with the periodic Hann window w_n; P_tm =
    sum_k bank_km |X_tk|^2, which is at most 1, since |X_tk| <= max |x| and the bands are weighted means;
    v = 1 - max(10 log10 P, floor) / floor: 0 at `floor` decibels and below, 1 at 0 decibels.
    """
    w = torch.hann_window(window, dtype=x.dtype, device=x.device)
    spectrum = torch.stft(x, window, hop, window=w, center=False, return_complex=True) / w.sum()  # (B, K, T)
    power = spectrum.abs().square().transpose(1, 2) @ bank.to(x)
    return 1 - (10 * power.clamp_min(1e-30).log10()).clamp(floor, 0) / floor


def filters(rate: int, window: int, mels: int) -> Tensor:
    """Return the mel filter bank (K, M), K = window // 2 + 1: triangles over the frequencies rate k / window.

    Each column is a weighted mean. Corners are evenly spaced from 0 to rate / 2 on the mel scale m(f) = 2595 log10(1 + f /
    700); a triangle rises, linearly in Hz, from the corner below to its own and falls to the one above (Davis & Mermelstein
    1980, https://doi.org/10.1109/TASSP.1980.1163420; the scale: O'Shaughnessy 1987). Raises AerunError where a triangle has no
    frequency in it.
    """
    top = 2595 * torch.log10(torch.tensor(1 + rate / 2 / 700, dtype=torch.float64))
    corners = 700 * (10 ** (torch.linspace(0, 1, mels + 2, dtype=torch.float64) * top / 2595) - 1)  # Hz
    f = (torch.arange(window // 2 + 1, dtype=torch.float64) * rate / window)[:, None]
    low, centre, high = corners[:-2], corners[1:-1], corners[2:]
    bank = torch.minimum((f - low) / (centre - low), (high - f) / (high - centre)).clamp_min(0)
    sums = bank.sum(0)
    if bool((sums == 0).any()):
        raise AerunError(
            f"dataset.mels={mels}: {int((sums == 0).sum())} bands have no frequency in them at {rate} samples a second and "
            f"dataset.window={window}. Lower dataset.mels or raise dataset.window."
        )
    return bank / sums
