"""`rtaudio train embedding`: what was said a moment ago, as phones, whoever says it.

A word that nobody trained on is made of phones that everybody did. What is heard, and how, is in
`rtaudio.training.utterances`.

More steps are not better: after some thousand the loss goes on falling, but words that nobody trained on are
told apart worse. Several nets, each with a seed of its own, that teach one together are (`training.distil`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rtaudio.errors import ConfigError
from rtaudio.nn.embedding import LAG, TAPS, EmbeddingNet
from rtaudio.nn.embedding_config import EmbeddingConfig
from rtaudio.nn.enrolment import embed, fit_discriminant
from rtaudio.nn.negatives import NEGATIVES, save_negatives, spread_of
from rtaudio.nn.torch.speech import SpeechNet
from rtaudio.training.data import Clip, ClipStore
from rtaudio.training.distil import Teachers
from rtaudio.training.heard import listen
from rtaudio.training.loop import RunConfig
from rtaudio.training.phones import PHONES, UNKNOWN
from rtaudio.training.phrases import speak_phrases
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
from rtaudio.training.utterances import CHOSEN_ON, MIX, UNHEARD, Utterances

DELAYS = (5, 11)
"""Strides of 20 ms before an embedding whose phones it must tell: 100 and 220 ms ago."""
SHARPNESS = 16.0
"""Length of an embedding before phones are read from it; live, it has length 1."""
NEGATIVE_STREAMS, NEGATIVE_S = 25, 100.0
"""Stretches of sound without the user's word that come with the weights: 40 minutes, 2 MB."""
ENDS_S = 0.2
"""Between a held-out word's end and that of its item."""
PHONES_WEIGHT, TEACHERS_WEIGHT = 0.3, 10.0
"""Of the loss of phones, and of how far an embedding is from what its teachers say (1 less the cosine)."""
FIRST_OF_BASIS, BASIS_BATCHES = 1 << 40, 20
"""Batches that tell in which directions teachers say most: none that are trained on."""
DRAWS, THINNED = 4, 8
"""Of who enrols, when a run scores itself; one in so many other sounds is fitted against."""


class PhoneReader(nn.Module):
    """The embedding net, and the phones that a linear layer reads from what it says."""

    def __init__(self, config: EmbeddingConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = SpeechNet(config)
        self.read = nn.Linear(config.size, len(DELAYS) * len(PHONES))

    def loss(self, embeddings: Tensor, phones: Tensor) -> Tensor:
        """Cross-entropy of the phone at each of DELAYS; where a phone is UNKNOWN nothing is asked.

        - embeddings: `(B, T / stride, size)`, of any length. phones: `(B, T)`, places in PHONES.
        """
        unit = SHARPNESS * functional.normalize(embeddings, dim=-1)
        logits = self.read(unit).unflatten(-1, (len(DELAYS), len(PHONES)))
        stride = self.config.stride
        wanted = torch.where(phones == UNKNOWN, -100, phones)[:, stride - 1 :: stride]
        parts = [
            functional.cross_entropy(logits[:, delay:, k].flatten(0, 1), wanted[:, :-delay].flatten())
            for k, delay in enumerate(DELAYS)
        ]
        return torch.stack(parts).mean()


class EmbeddingLoop(SpeechLoop):
    """Trains the word embedding."""

    name = EmbeddingNet.net_name
    score_name = "found_percent"  # words it never hears, from three clips of one voice, no false accept

    held_out: ClassVar[tuple[str, ...]] = UNHEARD
    scored: ClassVar[tuple[str, ...]] = CHOSEN_ON

    net: PhoneReader
    average: PhoneReader

    def __init__(
        self,
        store: ClipStore,
        run: RunConfig,
        config: EmbeddingConfig | None = None,
        mix: SpokenConfig = MIX,
    ) -> None:
        folder = phrases_folder(store)
        phrases = ClipStore(folder) if (folder / "clips.jsonl").is_file() else None
        self.items = Utterances(store, phrases, mix, run.seed, self.held_out)
        self.store, self.phrases = store, phrases
        self.teachers: Teachers | None = None
        super().__init__(lambda: PhoneReader(config or EmbeddingConfig()), run)
        self._tests, self._groups, self._others = held_out_items(store, self.average.trunk, self.scored)

    @property
    def speech_net(self) -> SpeechNet:
        return self.average.trunk

    @classmethod
    def spoken_words(cls, store: ClipStore, on_progress: Callable[[int, int], None]) -> dict[str, int]:
        """None, but phones: of the recordings, and of phrases that synthesisers say."""
        listen(store, cls.held_out, on_progress)
        speak_phrases(phrases_folder(store), on_progress)
        return {}

    def hears(self, clip: Clip) -> bool:
        return not clip.synthetic and said(clip) not in {*self.held_out, "_negative"}

    def learn_from(self, *paths: Path) -> None:
        """Learn to say what several nets say together, as well as which phones were said.

        Raises WeightsError or ConfigError where they can't teach this one.
        """
        teachers = Teachers(paths, self.net.config, self.device)
        teachers.fit(self._clear(FIRST_OF_BASIS + number)[0] for number in range(BASIS_BATCHES))
        self.teachers = teachers

    def _clear(self, number: int) -> tuple[Tensor, Tensor]:
        """Features and phones of batch `number`, nothing hidden."""
        spectra, phones = self.items.batch((self.run.seed, number), self.run.batch)
        return self._clear_features(self.net.trunk, spectra, number), phones.to(self.device)

    def _prepare(self, number: int) -> tuple[Tensor, ...]:
        """Features, phones and, where there are teachers, what these say of it with nothing hidden."""
        features, phones = self._clear(number)
        wanted = [self.teachers.wanted(features)] if self.teachers else []
        return self._masked(features, number), phones, *wanted

    def _loss(self, features: Tensor, phones: Tensor, wanted: Tensor | None = None) -> Tensor:
        trunk = self.net.trunk
        with torch.autocast(self.device.type, torch.bfloat16):
            embeddings, _ = trunk.logits(features, trunk.initial_state(len(features)).past)
        loss = self.net.loss(embeddings.float(), phones)
        if wanted is None:
            return loss
        apart = 1 - functional.cosine_similarity(embeddings.float(), wanted, dim=-1).mean()
        return PHONES_WEIGHT * loss + TEACHERS_WEIGHT * apart

    def score(self) -> float:
        """Mean over held-out words and draws of who enrols: words of other voices above any other sound."""
        said, others = (
            stacked(functional.normalize(outputs_of(self.speech_net, x), dim=-1).cpu().numpy())
            for x in (self._tests, self._others)
        )
        last, others = said[:, -4], others.reshape(-1, others.shape[-1])
        rng, found, spread = np.random.default_rng(0), [], spread_of(others[::THINNED])
        for word in dict.fromkeys(word for word, _ in self._groups):
            groups = sorted({group for w, group in self._groups if w == word})
            for _ in range(DRAWS):
                mine = groups[rng.integers(len(groups))]
                own = [k for k, place in enumerate(self._groups) if place == (word, mine)]
                rest = [k for k, (w, group) in enumerate(self._groups) if w == word and group != mine]
                weight, _ = fit_discriminant(last[rng.permutation(own)[:3]], spread)
                found.append(float((last[rest] @ weight > (others @ weight).max()).mean()))
        return 100 * float(np.mean(found))

    def finish(self, folder: Path) -> dict[str, Any]:
        """The bundled negatives, and what the net was trained on."""
        net = self.speech_net
        tensors = {name: tensor.float().cpu().numpy() for name, tensor in net.state_dict().items()}
        native = EmbeddingNet(net.config, tensors)
        streams = []
        for number in range(NEGATIVE_STREAMS):
            rng = np.random.default_rng((23, number))
            count = round(NEGATIVE_S / MIX.n_samples * SAMPLE_RATE)
            streams.append(embed(native, np.concatenate([self._other(rng) for _ in range(count)])))
        digest = save_negatives(folder / NEGATIVES.name, streams)
        heard = {said(clip) for clip in self.store.clips if said(clip) and self.hears(clip)}
        keywords = heard | set(self.scored)  # what a recipe was chosen with is no test of it either
        average = np.concatenate(streams).mean(0).round(4).tolist()
        return {"negatives_sha256": digest, "average": average, "words": sorted(keywords)}

    def _other(self, rng: np.random.Generator) -> Samples:
        """Speech, phrases or noise as an item is heard; no keyword, or nobody could enrol that."""
        u, items = rng.random(), self.items
        length = items.config.n_samples
        wave = np.zeros(length, np.float32)
        if u < 0.65:
            wave = items.scenery.running(rng, length)
        elif u < 0.9 and self.phrases is not None:
            clip = self.phrases.clips[rng.integers(len(self.phrases.clips))]
            overlay(wave, normalised(self.phrases.read(clip, 0, clip.length)), 0)
        return items.scenery.heard(wave, rng)


def phrases_folder(store: ClipStore) -> Path:
    """Where a store keeps what synthesisers say: apart, for other nets take no part in it."""
    return store.folder / "phrases"


def stacked(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a head sees: `(B, T - (TAPS - 1) * LAG, TAPS * size)` of embeddings `(B, T, size)`."""
    count = embeddings.shape[1] - (TAPS - 1) * LAG
    return np.concatenate([embeddings[:, tap * LAG : tap * LAG + count] for tap in range(TAPS)], -1)


def held_out_items(
    store: ClipStore, net: SpeechNet, held_out: Collection[str] = CHOSEN_ON
) -> tuple[Tensor, list[tuple[str, str]], Tensor]:
    """Features of held-out words, each ending ENDS_S before its item; whose each is; and other speech.

    Raises ConfigError where there is no recording of any of them.
    """
    clips = [clip for clip in store.clips if said(clip) in held_out]
    if not clips:
        raise ConfigError(
            f"the data has no recording of a word that runs are scored with: {', '.join(held_out)}"
        )
    bank, waves, rng = Words(store, clips), [], np.random.default_rng(3)
    length = MIX.n_samples
    for clip in clips:
        _, end = bank.span(clip)
        wave = np.zeros(length, np.float32)
        last = min(clip.length, end + round(ENDS_S * SAMPLE_RATE))
        part = normalised(store.read(clip, max(0, last - length), min(last, length)))
        overlay(wave, part, length - part.size)
        waves.append(wave + np.float32(1e-4) * rng.standard_normal(length, np.float32))
    scenery = Scenery(store, "valid", MIX, 1)
    others = [scenery.running(np.random.default_rng((5, k)), 4 * length, changed=False) for k in range(80)]
    flat = np.ones(net.config.n_bins, np.float32)
    parts = [features_of(net, scenery.spectra(w, [flat] * len(w))) for w in (waves, others)]
    return parts[0], [(said(clip), clip.group) for clip in clips], parts[1]
