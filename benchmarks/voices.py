"""Whose voices the validation recordings are, as far as their corpora tell."""

from __future__ import annotations

LANGUAGES = {
    "alphanumeric-audio-dataset": "English",
    "speech-to-intent-benchmark": "English",
    "speechocean762": "English, by Mandarin speakers",
    "dataset-voice-kerstin": "German",
    "GCompris-voices/gc_es": "Spanish",
    "asp-audio/asp_lg": "Luganda",
}
"""By the beginning of a speaker's name, source first."""

AGES = {
    "speechocean762/so0122": 6,
    "speechocean762/so1075": 7,
    "speechocean762/so1422": 7,
    "speechocean762/so5015": 10,
    "speechocean762/so8581": 15,
    "speechocean762/so9107": 15,
    "speechocean762/so9553": 15,
    "speechocean762/so9601": 25,
    "speechocean762/so1228": 26,
}
"""Years, from `test/spk2age` of speechocean762; the other corpora name none."""

UNKNOWN = "not told"


def language(speaker: str) -> str:
    """What they speak, `UNKNOWN` for speakers of no list."""
    return next((spoken for start, spoken in LANGUAGES.items() if speaker.startswith(start)), UNKNOWN)


def age_group(speaker: str) -> str:
    """Child, youth (from 13, whose voice is breaking or has broken) or adult; `UNKNOWN` like `language`."""
    age = AGES.get(speaker)
    if age is None:
        return UNKNOWN
    return "child" if age < 13 else "youth" if age < 18 else "adult"
