"""Sentences as one id a word, for networks that are trained from nothing on few sentences. No torch here."""

import re
from hashlib import blake2b

BYTES, SPECIAL = 256, 6
"""Ids below are bytes and special ids (see `model.text`); words follow them."""
_PIECE = re.compile(r"[a-z]+|[^a-z\s]")


def word_ids(text: str, vocabulary: int) -> list[int]:
    """Ids of lower-cased words, each by its hash among those of `vocabulary` that are no bytes; of what is no word,
    as digits, its bytes. Any sentence has ids; two words share one by chance once in a few hundred."""
    first = BYTES + SPECIAL
    ids: list[int] = []
    for piece in _PIECE.findall(text.lower()):
        if piece[0].isascii() and piece[0].isalpha():
            digest = blake2b(piece.encode(), digest_size=4).digest()
            ids.append(first + int.from_bytes(digest, "little") % (vocabulary - first))
        else:
            ids.extend(piece.encode())
    return ids
