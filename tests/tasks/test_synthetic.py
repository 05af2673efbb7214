"""Words taught by synthesisers; programs that stand in for those say "low" whatever they are asked."""

import numpy as np
import pytest
import soundfile as sf

import rtaudio
from rtaudio.errors import ConfigError, MissingLibraryError
from rtaudio.nn.enrolment import CAUTION
from rtaudio.tasks import enrol
from rtaudio.tasks.enrol import Clip
from rtaudio.tasks.synthetic import (
    BESIDE_CAUTION,
    EACH,
    LIKENESS_POWER,
    MADE_CAUTION,
    MADE_COUNT,
    OWN,
    Check,
    check_installed,
    check_phrase,
    enrol_beside,
    shares,
    synthesise,
    teach,
)
from rtaudio.tasks.words import save_word
from rtaudio.training import synthesisers
from tests.synthesisers import GOOD, RATE, install
from tests.tone_words import as_alike, fit_tone, say, script


def silent(*_):
    pass


def own(number, word="low"):
    rng, x = np.random.default_rng(number), np.zeros(RATE, np.float32)
    tone = say(word, RATE, 0.4 + 0.03 * number)
    x[4000:][: tone.size] = tone
    return Clip(f"take {number}", x + rng.normal(0, 0.001, RATE).astype(np.float32))


@pytest.mark.parametrize(
    ("phrase", "plain"), [("good  morning ", "good morning"), ("Don't", "Don't"), ("snow-boy", "snow-boy")]
)
def test_phrases(phrase, plain):
    assert check_phrase(phrase) == plain


@pytest.mark.parametrize(
    ("phrase", "reason"),
    [("", "no word"), (" -' ", "no word"), ("42", "numbers"), ("!!", "a to z"), ("你好", "English"),
     ("café", "a to z"), ("a" * 41, "41 letters"), ("rm -rf /", "a to z"), ("a\0b", "a to z")],
)  # fmt: skip
def test_phrases_that_no_voice_says(phrase, reason):
    with pytest.raises(ConfigError, match=reason):
        check_phrase(phrase)


def test_no_synthesiser_says_how_to_get_one(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    with pytest.raises(MissingLibraryError, match="apt install espeak-ng flite"):
        check_installed()


def test_a_word_nobody_said_is_heard(tones, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, espeak_ng=GOOD, flite=GOOD)
    told = []
    sources, troubles = synthesise("good morning", lambda what, done, of: told.append((what, done, of)))
    assert troubles == []
    assert [(source.name, len(source.clips), source.voices) for source in sources] == [
        ("espeak-ng", EACH, 12),
        ("flite", EACH, 4),
    ]
    assert [done for _, done, _ in told] == list(range(1, 2 * EACH + 1))
    taught = teach("beep", sources)
    assert taught.checks == (Check("espeak-ng", EACH, EACH), Check("flite", EACH, EACH))
    assert taught.word.card["by"] == {"espeak-ng": EACH, "flite": EACH}
    save_word(taught.word)
    events = list(rtaudio.spot(script(RATE, (1.0, "low"), seconds=2), sample_rate=RATE, keywords=["beep"]))
    assert [event.word for event in events] == ["beep"]


def test_each_check_knows_only_what_was_not_left_out(tones, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, espeak_ng=GOOD, flite=GOOD.replace("low.wav", "high.wav"))
    asked = []

    def fit(clips, *, shares, **options):
        asked.append((len(clips), shares and sum(shares[:-2]), options["caution"]))
        return fit_tone(clips, shares=shares, **options)

    monkeypatch.setattr(enrol, "fit_word", fit)
    sources, _ = synthesise("x", silent)
    taught = teach("beep", sources, [own(0), own(1, "high")])
    assert [check.left_out for check in taught.checks] == ["espeak-ng", "flite", OWN]
    assert taught.checks[-1] == Check(OWN, 2, 1)  # the head knows "low" alone
    n = 2 * EACH
    assert [count for count, _, _ in asked] == [EACH + 2, EACH + 2, n, n + 2]
    made = MADE_COUNT / (MADE_COUNT + 2)
    assert [share for _, share, _ in asked] == [
        pytest.approx(made),
        pytest.approx(made),
        None,
        pytest.approx(made),
    ]
    beside = BESIDE_CAUTION
    assert [caution for _, _, caution in asked] == [beside, beside, MADE_CAUTION, beside]


def test_ones_own_alone_ask_for_all_caution(tones, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, flite=GOOD)
    asked = []

    def fit(clips, *, caution, **options):
        asked.append(caution)
        return fit_tone(clips, caution=caution, **options)

    monkeypatch.setattr(enrol, "fit_word", fit)
    teach("beep", synthesise("x", silent)[0], [own(0)])
    assert asked == [CAUTION, MADE_CAUTION, BESIDE_CAUTION]


def test_synthetic_recordings_count_the_more_the_more_they_are_like_those_of_people():
    counts = shares([0.8, 0.4, -0.2, 0.4], 2)
    assert counts[4:] == pytest.approx([1 / (MADE_COUNT + 2)] * 2)
    assert sum(counts) == pytest.approx(1)
    assert counts[0] == pytest.approx(2**LIKENESS_POWER * counts[1])
    assert counts[1] == counts[3] > 1000 * counts[2]
    assert shares([-0.1, -0.3], 1) == pytest.approx(np.array([MADE_COUNT / 2] * 2 + [1]) / (MADE_COUNT + 1))


def test_one_family_alone_can_not_be_checked(tones, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, flite=GOOD)
    taught = teach("beep", synthesise("x", silent)[0])
    assert taught.checks == ()


def test_a_family_that_hangs_or_fails_is_left_out(tones, tmp_path, monkeypatch):
    monkeypatch.setattr(synthesisers, "TIMEOUT_S", 0.5)
    install(tmp_path, monkeypatch, espeak_ng="exec /bin/sleep 100", flite=GOOD)
    sources, troubles = synthesise("x", silent)
    assert [source.name for source in sources] == ["flite"]
    assert troubles == ["espeak-ng: doesn't come to an end"]
    install(tmp_path, monkeypatch, espeak_ng="exit 1")
    assert "fails as the voice" in synthesise("x", silent)[1][0]


def test_a_voice_that_is_missing_is_done_without(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, flite=f'case "$*" in *slt*) exit 1;; esac; {GOOD}')
    (source,), troubles = synthesise("x", silent)
    assert (len(source.clips), source.voices, troubles) == (18, 3, [])


def test_nobody_can_say_it(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, espeak_ng="exit 1", flite=GOOD)
    sf.write(tmp_path / "low.wav", np.zeros(RATE), RATE)
    with pytest.raises(ConfigError, match=r"espeak-ng: fails as.*; flite: what it says is too quiet"):
        synthesise("x", silent)


def test_own_recordings_that_can_not_teach_are_told(tones, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, flite=GOOD)
    sources = synthesise("x", silent)[0]
    with pytest.raises(ConfigError, match="take 7: too quiet"):
        teach("beep", sources, [Clip("take 7", np.zeros(RATE, np.float32))])


@pytest.mark.parametrize(
    ("likeness", "heard", "taken"),
    [(0.9, [True, True, False, True, True, False], True), (0.1, [True] * 6, False),
     (0.9, [True, True, True, True, True, False], False)],
)  # fmt: skip
def test_synthetic_speech_is_taken_where_it_is_alike_and_costs_no_recording(
    tones, tmp_path, monkeypatch, likeness, heard, taken
):
    install(tmp_path, monkeypatch, flite=GOOD)
    monkeypatch.setattr("rtaudio.tasks.synthetic.alike", as_alike(likeness))
    answers = iter(heard)  # of the recordings alone, then of both
    for home in ("enrol", "synthetic"):
        monkeypatch.setattr(f"rtaudio.tasks.{home}.recognised", lambda *_: next(answers))
    clips = [own(number) for number in range(3)]
    word, unheard, used = enrol_beside("beep", clips, synthesise("beep", silent)[0])
    assert used == taken
    assert ("by" in word.card) == taken
    assert unheard == [
        clip.name for clip, found in zip(clips, heard[3:] if taken else heard[:3], strict=True) if not found
    ]
