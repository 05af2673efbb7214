"""`rtaudio train embedding`: one word in many voices becomes one direction, different words different ones.

What the words are, and how they are heard, is in `rtaudio.training.utterances`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rtaudio.nn.embedding import EmbeddingNet
from rtaudio.nn.embedding_config import EmbeddingConfig
from rtaudio.nn.enrolment import NEGATIVES, embed, save_negatives
from rtaudio.nn.torch.speech import SpeechNet
from rtaudio.training.data import Clip, ClipStore
from rtaudio.training.heard import heard_words, transcribe
from rtaudio.training.loop import RunConfig
from rtaudio.training.speech_loop import SpeechLoop, features_of, outputs_of
from rtaudio.training.spoken import (
    SAMPLE_RATE,
    Samples,
    Scenery,
    SpokenConfig,
    Words,
    normalised,
    overlay,
    said,
)
from rtaudio.training.utterances import HELD_OUT, MIX, Utterances, by_text
from rtaudio.training.voices import VOICES_EACH, vocabulary

MADE_WORDS = 2000
"""More than other nets hear, which need them as negatives alone."""
NEGATIVE_STREAMS, NEGATIVE_S = 25, 100.0
"""Stretches of sound without the user's word that come with the weights: 40 minutes, 2 MB."""
SCALE, MARGIN = 16.0, 0.15
"""Of the cosines before the softmax, and what the right class must lead by (CosFace, Wang et al. 2018)."""
AFTER = (0, 2, 4, 6)
"""Strides of 20 ms after a word's end at which its embedding must stand for it."""


class Classifier(nn.Module):
    """The embedding net, and a direction for each class it is trained with."""

    def __init__(self, config: EmbeddingConfig, n_classes: int) -> None:
        super().__init__()
        self.config = config
        self.trunk = SpeechNet(config)
        self.directions = nn.Embedding(n_classes, config.size)

    def loss(self, logits: Tensor, places: Tensor) -> Tensor:
        """Softmax over cosines, the right one less a margin, at a few strides after each word's end."""
        number, end = places.unbind(1)
        at = (end // self.config.stride)[:, None] + torch.tensor(AFTER, device=end.device)
        at = at.clamp_max(logits.shape[1] - 1)
        chosen = functional.normalize(
            logits.gather(1, at[:, :, None].expand(-1, -1, logits.shape[2])), dim=-1
        )
        cosines = (
            functional.normalize(chosen, dim=-1) @ functional.normalize(self.directions.weight, dim=-1).T
        )
        cosines = cosines - MARGIN * functional.one_hot(number, cosines.shape[-1])[:, None]
        classes = number[:, None].expand(-1, len(AFTER))
        return functional.cross_entropy(SCALE * cosines.flatten(0, 1), classes.flatten())


class EmbeddingLoop(SpeechLoop):
    """Trains the word embedding."""

    name = EmbeddingNet.net_name
    score_name = "found_percent"  # held-out words, from three clips of one voice, with no false accept

    held_out: ClassVar[tuple[str, ...]] = HELD_OUT

    net: Classifier
    average: Classifier

    def __init__(
        self,
        store: ClipStore,
        run: RunConfig,
        config: EmbeddingConfig | None = None,
        mix: SpokenConfig = MIX,
    ) -> None:
        self.items = Utterances(store, mix, run.seed, self.held_out)
        super().__init__(lambda: Classifier(config or EmbeddingConfig(), self.items.n_classes), run)
        self._tests, self._groups, self._others = held_out_items(store, self.average.trunk, self.held_out)

    @property
    def speech_net(self) -> SpeechNet:
        return self.average.trunk

    @classmethod
    def spoken_words(cls, store: ClipStore, on_progress: Callable[[int, int], None]) -> dict[str, int]:
        """Keywords, words heard in running speech, words that nobody says; none of those held out.

        Of two words in a row only what was said twice: the others are classes of one recording each.
        """
        transcribe(store, on_progress)
        keywords = {said(clip) for clip in store.clips if clip.path.startswith("keywords/")}
        texts = by_text(heard_words(store), cls.held_out)
        heard = {text for text, takes in texts.items() if "_" not in text or len(takes) > 1}
        words = *sorted(keywords - {*cls.held_out, "_negative"}), *sorted(heard - keywords)
        return dict.fromkeys([*words, *vocabulary(MADE_WORDS)], VOICES_EACH)

    def hears(self, clip: Clip) -> bool:
        return said(clip) not in {*self.held_out, "_negative"}

    def _prepare(self, number: int) -> tuple[Tensor, Tensor]:
        spectra, places = self.items.batch((self.run.seed, number), self.run.batch)
        return self._training_features(self.net.trunk, spectra, number), places.to(self.device)

    def _loss(self, features: Tensor, places: Tensor) -> Tensor:
        trunk = self.net.trunk
        with torch.autocast(self.device.type, torch.bfloat16):
            logits, _ = trunk.logits(features, trunk.initial_state(len(features)).past)
        return self.net.loss(logits.float(), places)

    def score(self) -> float:
        """Mean over held-out words and draws of who enrols: words of other voices above any other sound."""
        embed = [
            functional.normalize(outputs_of(self.speech_net, x), dim=-1) for x in (self._tests, self._others)
        ]
        last = embed[0][:, -2]
        others = embed[1].flatten(0, 1)
        rng, found = np.random.default_rng(0), []
        for word in dict.fromkeys(word for word, _ in self._groups):
            groups = sorted({group for w, group in self._groups if w == word})
            for _ in range(6):
                mine = groups[rng.integers(len(groups))]
                own = [k for k, place in enumerate(self._groups) if place == (word, mine)]
                rest = [k for k, (w, group) in enumerate(self._groups) if w == word and group != mine]
                prototype = last[rng.permutation(own)[:3].tolist()].mean(0)
                found.append(float((last[rest] @ prototype > (others @ prototype).max()).float().mean()))
        return 100 * float(np.mean(found))

    def finish(self, folder: Path) -> dict[str, Any]:
        """The bundled negatives, and what the net was trained on."""
        net = self.speech_net
        tensors = {name: tensor.float().cpu().numpy() for name, tensor in net.state_dict().items()}
        native = EmbeddingNet(net.config, tensors)
        streams = []
        for number in range(NEGATIVE_STREAMS):
            rng = np.random.default_rng((23, number))
            wave = np.concatenate(
                [self._other(rng) for _ in range(round(NEGATIVE_S / MIX.n_samples * SAMPLE_RATE))]
            )
            streams.append(embed(native, wave))
        digest = save_negatives(folder / NEGATIVES.name, streams)
        return {"negatives_sha256": digest, "words": self.items.keywords}

    def _other(self, rng: np.random.Generator) -> Samples:
        """Speech, made-up words or noise as an item is heard; no keyword, or nobody could enrol that."""
        u, items = rng.random(), self.items
        length = items.config.n_samples
        wave = np.zeros(length, np.float32)
        if u < 0.65:
            wave = items.scenery.running(rng, length)
        elif u < 0.9 and items.made:
            word = items.made[rng.integers(len(items.made))]
            overlay(
                wave, normalised(items.bank.cut(items.bank.draw(word, rng), rng, items.config.speed)[0]), 0
            )
        return items.scenery.heard(wave, rng)


def held_out_items(
    store: ClipStore, net: SpeechNet, held_out: Collection[str] = HELD_OUT
) -> tuple[Tensor, list[tuple[str, str]], Tensor]:
    """Features of held-out words, each ending 0.1 s before its item; whose each is; and other speech."""
    clips = [clip for clip in store.clips if said(clip) in held_out]
    bank, waves, rng = Words(store, clips), [], np.random.default_rng(3)
    length = MIX.n_samples
    for clip in clips:
        _, end = bank.span(clip)
        wave = np.zeros(length, np.float32)
        last = min(clip.length, end + SAMPLE_RATE // 10)
        part = normalised(store.read(clip, max(0, last - length), min(last, length)))
        overlay(wave, part, length - part.size)
        waves.append(wave + np.float32(1e-4) * rng.standard_normal(length, np.float32))
    scenery = Scenery(store, "valid", MIX, 1)
    others = [scenery.running(np.random.default_rng((5, k)), 4 * length, changed=False) for k in range(80)]
    flat = np.ones(net.config.n_bins, np.float32)
    parts = [features_of(net, scenery.spectra(w, [flat] * len(w))) for w in (waves, others)]
    return parts[0], [(said(clip), clip.group) for clip in clips], parts[1]
