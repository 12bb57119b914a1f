"""Faster forms of what RecBole's models compute, with the same numbers."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class LastItemsOfFOSSIL:
    """Mixin for FOSSIL: reads the vectors of the last items by one gather.

    RecBole copies each history behind as many zeros and reads from the copy once for each item; the
    tables of zeros that its backward pass fills took a third of the training time.
    """

    order_len: int

    def inverse_seq_item_embedding(
        self, seq_item_embedding: "torch.Tensor", seq_item_len: "torch.Tensor"
    ) -> "torch.Tensor":
        """Return [b, order_len, d] vectors of the last items; 0 where a history is shorter.

        Args:
            seq_item_embedding: [b, l, d] vectors of histories, padded on the right.
            seq_item_len: [b] items of each.
        """
        import torch

        back = torch.arange(self.order_len, device=seq_item_len.device) - self.order_len
        place = seq_item_len[:, None] + back
        width = seq_item_embedding.shape[-1]
        index = place.clamp(min=0)[..., None].expand(-1, -1, width)
        return seq_item_embedding.gather(1, index) * (place >= 0)[..., None]


_MIXINS: dict[str, type] = {"FOSSIL": LastItemsOfFOSSIL}


def faster_class(base: Any) -> Any:
    """Return a class of RecBole, or one that does the same in less time; its name is the same."""
    mixin = _MIXINS.get(base.__name__)
    return base if mixin is None else type(base.__name__, (mixin, base), {})
