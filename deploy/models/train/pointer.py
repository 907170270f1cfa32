"""Shows one pair of heads where to look: at the earlier mentions of the name or thing that comes next.

Language modelling alone had not found this out after 2.3 million tokens, all that an hour on one core affords, and so
names changed in the middle of a story.
"""
import torch

import world


def block_of(model):
    """The middle block: before it the words are understood, after it the copied word can still be used."""
    return model.blk[len(model.blk) // 2]


def mention_ids(spm):
    """Marks the tokens that name somebody or something: capitalised words, kinds of animals, things and their looks, places, weather, digits."""
    places = " ".join(p.name for p in world.PLACES).replace("the ", "").split()
    nouns = set(world.SMALL + world.ADJECTIVES + world.ANIMALS + list(world.MADE) + places + world.SKIES)
    pieces = [spm.id_to_piece(i).lstrip("\u2581") for i in range(spm.vocab_size())]
    return torch.tensor([p.isdigit() or len(p) > 1 and (p[0].isupper() or p in nouns) for p in pieces])


def pointer_loss(model, batch, mentions):
    """Mean of -log(attention on the places where the next token stands already), over targets that are mentions.

    The attention is of the heads that share key head 0 of that block: [rows, heads, length, length].
    """
    tokens, targets = batch[:2]
    seen = (tokens.unsqueeze(1) == targets.unsqueeze(2)).tril()
    wanted = mentions[targets.clamp(min=0)] & (targets >= 0) & seen.any(2)
    rows, places = wanted.nonzero(as_tuple=True)
    attention = block_of(model).attention[rows, :, places].float()
    return -(attention * seen[rows, places].unsqueeze(1)).sum(-1).clamp(min=1e-4).log().mean()
