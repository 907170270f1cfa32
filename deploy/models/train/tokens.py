"""Text of the corpus to token ids: SentencePiece without a dummy prefix, chat turns between control tokens."""
import json

import sentencepiece

BOS, EOS, TURN, END_TURN = 1, 2, 3, 4  # <s> </s> <|im_start|> <|im_end|>


def load(path):
    return sentencepiece.SentencePieceProcessor(model_file=path)


def chat_ids(model, turns, open_answer=False):
    ids = []
    for role, text in turns:
        ids += [TURN] + model.encode(f"{role}\n{text}") + [END_TURN] + model.encode("\n")
    return ids + ([TURN] + model.encode("assistant\n") if open_answer else [])


def document_ids(model, document):
    """<s> story </s>, or <s> and the turns, each closed by <|im_end|>."""
    if isinstance(document, str):
        return [BOS] + model.encode(document) + [EOS]
    return [BOS] + chat_ids(model, document)


def plain_text(document):
    return document if isinstance(document, str) else "\n".join(text for _, text in document)
