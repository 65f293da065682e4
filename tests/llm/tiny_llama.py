"""A two-layer Llama with grouped queries, random weights and a tokenizer trained here: a real model in a second."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# A little of many scripts, so that the tokenizer has merges; bytes cover the rest.
_CORPUS = [
    "You write queries. The passage is about rivers and mountains, and the query asks for it.",
    '{"task": "find the passage", "query": "rivers of the north", "language": "en"}',
    "Die Flüsse im Norden sind kalt. Les rivières du nord. Los ríos del norte.",
    "北の川は冷たい。 北方的河流很冷。 Реки севера холодные. أنهار الشمال باردة. उत्तर की नदियाँ।",
] * 5

# Our own; each turn ends with the end token.
_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_MARKS = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Threads cannot help so small a model, and where the cores are busy they wait for each other: 20 times slower."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def write_tiny_llama(folder: Path, *, seed: int = 0, longest: int = 256) -> Path:
    """Writes the model and its tokenizer into `folder`, in float32. Positions: `longest`."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512, special_tokens=_MARKS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(_CORPUS, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>", model_max_length=longest
    )
    wrapped.chat_template = _TEMPLATE
    wrapped.save_pretrained(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=longest,
        eos_token_id=0,
        pad_token_id=0,
        bos_token_id=None,
        tie_word_embeddings=True,
        # Larger than usual, so that random weights have preferences and greedy ties do not happen.
        initializer_range=0.2,
    )
    LlamaForCausalLM(config).eval().save_pretrained(folder)
    return folder
