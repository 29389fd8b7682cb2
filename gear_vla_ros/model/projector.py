"""The expanded projector: 2D and 3D features of the same patches -> tokens of the language model (paper, eq. 3)."""

from torch import Tensor, nn
from torch.nn import functional


class ExpandedProjector(nn.Module):
    """[H2D; H3D] W + b with W(0) = [W_Qwen; 0].

    The two row blocks of W are two matrices, so that adding the zero block changes no bit of Qwen's result: one wider
    product could sum in another order.
    """

    def __init__(self, flat_width: int, spatial_width: int, out_width: int) -> None:
        super().__init__()
        self.flat = nn.Linear(flat_width, flat_width)
        self.spatial = nn.Linear(spatial_width, flat_width, bias=False)
        self.out = nn.Linear(flat_width, out_width)
        nn.init.zeros_(self.spatial.weight)

    def forward(self, flat: Tensor, spatial: Tensor | None) -> Tensor:
        """Tokens [T, out] of `flat` [T, flat_width] and `spatial` [T, spatial_width] (None: the 2D path alone)."""
        hidden = self.flat(flat)
        if spatial is not None:
            hidden = hidden + self.spatial(spatial)
        tokens: Tensor = self.out(functional.gelu(hidden))
        return tokens
