"""P150: the FLOP of a step, counted by hand: 2 a multiply-add, three times where input and weights have gradients."""

from aerun.bill.flop import step_flop
from tests.conftest import built

B = 10


def counted(*overrides):
    plan = built(*overrides)
    data = plan.dataset.load()
    plan.autoencoder.start_from(data.train.x)
    return step_flop(plan.autoencoder, data.train.x[:B])


def affine(inputs, outputs, passes=3, places=1):
    return passes * 2 * B * inputs * outputs * places


def test_affine_layers():
    """64-16-4-16-64: nothing learns below the first layer, so its input has no gradient."""
    expected = affine(64, 16, passes=2) + affine(16, 4) + affine(4, 16) + affine(16, 64)
    assert counted("model.arch.hidden=[16]", "model.latent_dim=4") == expected


def test_convolutions():
    """8 x 8 -> 4 x 4 x 32 -> 2 x 2 x 64 -> 8 and back, kernels of 4 x 4; transposed ones multiply where their input is."""
    k = 4 * 4
    encoder = affine(1 * k, 32, passes=2, places=16) + affine(32 * k, 64, places=4) + affine(256, 8)
    decoder = affine(8, 256) + affine(64, 32 * k, places=4) + affine(32, 1 * k, places=16)
    assert counted("model=conv") == encoder + decoder


def gru(gates, inputs, hidden, steps, first, input_learns):
    """The two matrices of a cell at every step; the first state is 0 and has no gradient where `first`."""
    own = 3 * 2 * B * gates * hidden * hidden * steps - (2 * B * gates * hidden * hidden if first else 0)
    return own + (3 if input_learns else 2) * 2 * B * gates * hidden * inputs * steps


def test_recurrent_layers():
    """40 steps of one number -> GRU of 64 -> 16, and a GRU of 64 that is given the code at every step -> one number a step."""
    ends = affine(64, 16) + affine(16, 64) + affine(64, 1, places=40)
    layers = gru(3, 1, 64, 40, True, False) + gru(3, 16, 64, 40, False, True)
    assert counted("model=recurrent", "dataset=sines", "dataset.n=80", "model.arch.cell=gru") == layers + ends


def test_the_lstm_of_the_cpu_is_counted_too():
    """Its backward pass computes the gradient of all inputs, the first layer's among them."""
    ends = affine(64, 16) + affine(16, 128) + affine(64, 1, places=40)
    layers = sum(3 * 2 * B * 4 * 64 * (64 + inputs) * 40 for inputs in (1, 16))
    assert counted("model=recurrent", "dataset=sines", "dataset.n=80") == layers + ends


def test_terms_with_judges_and_jacobians_cost_more():
    plain = counted("model.arch.hidden=[16]", "model.latent_dim=4")
    assert counted("regularizer=contractive", "model.arch.hidden=[16]", "model.latent_dim=4") > 1.2 * plain
