"""Which letters the bytes of a text stand for: UTF-8, UTF-16 and UTF-32 by their mark, windows-1252; others refused."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from palate.errors import ReadError

__all__ = ["decode", "refuse_other_alphabets", "refuse_wide_characters", "without_mark"]

# Byte order marks, the longer ones first.
_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"\xef\xbb\xbf": "utf-8-sig",
}
_WINDOW, _CHUNK = 1 << 16, 1 << 22
# The share of characters of a text in UTF-8 that may be damaged.
_DAMAGED = 0.1
# Letters of other alphabets stand side by side, accents among Latin letters do not.
_HIGH = re.compile(rb"[\x80-\xff]+")
_RUN = 3
_UNUSED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")  # by windows-1252
# Signs that stand in no word, but whose bytes are letters of Central Europe.
_SIGNS = re.compile(rb"[A-Za-z][\xa3\xa5\xb3\xb6\xb9\xbc\xbe\xbf][a-z]")
_FEW = 0.1
# Other encodings: what nearly all of their characters are, and letters that are frequent in their languages.
_KANA, _HAN, _HANGUL = "\u3040-\u30ff", "\u4e00-\u9fff", "\uac00-\ud7a3"
_LATIN = (
    ("WINDOWS-1250", "cp1250", "[\u00c0-\u017f\u2010-\u2122]", "[\u0100-\u017f]"),
    ("MACINTOSH", "mac_roman", "[\u00c0-\u00ff\u2010-\u2122]", "[éèàäöüñß]"),
)
# Those of a group are compared, the groups are tried one after the other.
_OTHERS = (
    (
        ("SHIFT-JIS", "cp932", f"[{_KANA}{_HAN}\u3000-\u303f]", f"[{_KANA}]"),
        ("EUC-JP", "euc_jp", f"[{_KANA}{_HAN}\u3000-\u303f]", f"[{_KANA}]"),
    ),
    (("EUC-KR", "euc_kr", f"[{_HANGUL}]", f"[{_HANGUL}]"),),
    (
        ("WINDOWS-1251", "cp1251", "[\u0400-\u045f\u2010-\u2122]", "[аоеинт]"),
        ("KOI8-R", "koi8_r", "[\u0400-\u045f]", "[аоеинт]"),
        ("CP866", "cp866", "[\u0400-\u045f]", "[аоеинт]"),
        ("WINDOWS-1253", "cp1253", "[\u0370-\u03ff\u2010-\u2122]", "[αοιετς]"),
        ("WINDOWS-1255", "cp1255", "[\u0590-\u05ff]", "[יוהלא]"),
        ("WINDOWS-1256", "cp1256", "[\u0600-\u06ff]", "[الينم]"),
        ("TIS-620", "cp874", "[\u0e00-\u0e7f]", "[านรอก]"),
    ),
    (("GB18030", "gb18030", f"[{_HAN}\u3000-\u303f\uff00-\uffef]", f"[{_HAN}]"),),
    (("BIG5", "big5", f"[{_HAN}\u3000-\u303f\uff00-\uffef]", f"[{_HAN}]"),),
    _LATIN,
)
_FITS, _FREQUENT = 0.9, 0.2


def without_mark(content: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """Decode text as its byte order mark says: it becomes UTF-8, without a mark.

    Raises
    ------
    ReadError
        If it is not what the mark says.
    """
    head = content[:4].tobytes()
    encoding = next((encoding for mark, encoding in _MARKS.items() if head.startswith(mark)), None)
    if encoding is None:
        return content
    if encoding == "utf-8-sig":
        return content[3:]
    try:
        return np.frombuffer(content.tobytes().decode(encoding).encode(), np.uint8)
    except UnicodeError as error:
        raise ReadError(f"{name} is damaged: it begins as {encoding.upper()} and is none ({error})") from error


def refuse_wide_characters(content: NDArray[np.uint8], name: str) -> None:
    """Refuse UTF-16 without a mark.

    Raises
    ------
    ReadError
        If every second byte is a NUL, as in Latin text in UTF-16.
    """
    head = content[:256].tobytes()
    odd, even = head[1::2].count(0), head[0::2].count(0)
    size = len(head) // 2
    # Text has no zeros in both bytes.
    wide = None if odd and even else "UTF-16LE" if odd > 0.8 * size else "UTF-16BE" if even > 0.8 * size else None
    if wide:
        raise ReadError(f"{name} is {wide} text: {_convert(wide, name)}")


def refuse_other_alphabets(content: NDArray[np.uint8], name: str) -> None:
    """Refuse text that is neither UTF-8 nor, by its letters, windows-1252: ids would come out as gibberish.

    Raises
    ------
    ReadError
        If the text is most likely of another encoding.
    """
    window = _first_letters(content)
    runs = [len(run) for run in _HIGH.findall(window)]
    is_dense = sum(run for run in runs if run >= _RUN) > 0.5 * sum(runs)
    is_strange = bool(_UNUSED.search(window)) or len(_SIGNS.findall(window)) > _FEW * len(runs)
    if _as_utf8(window) is not None or not (is_dense or is_strange):
        return
    guess = _guess(window, _OTHERS if is_dense else (_LATIN,))
    if guess is None:
        raise ReadError(
            f"{name} is no UTF-8 text, nor of another encoding that is known here: convert it to UTF-8 first, with "
            "iconv for example"
        )
    raise ReadError(f"{name} is no UTF-8 text, perhaps {guess}: {_convert(guess, name)}")


def _convert(encoding: str, name: str) -> str:
    return f"convert it first (iconv -f {encoding} -t UTF-8 {name} > converted.txt)"


def _first_letters(content: NDArray[np.uint8]) -> bytes:
    """Return a part of a text, of whole lines if possible, that begins where the first byte is not ASCII."""
    for start in range(0, len(content), _CHUNK):
        chunk = content[start : start + _CHUNK]
        if chunk.max() >= 0x80:
            first = start + int(np.argmax(chunk >= 0x80))
            part = content[first : first + _WINDOW].tobytes()
            return part[: part.rfind(b"\n")] if len(part) == _WINDOW and b"\n" in part else part
    return b""


def _as_utf8(data: bytes) -> tuple[str, int] | None:
    """Decode UTF-8, and count its damaged characters; None if they are more than a few."""
    text = data.decode("utf-8", "replace")
    damaged = text.count("\ufffd") - data.count("\ufffd".encode())
    is_utf8 = not damaged or damaged <= _DAMAGED * sum(character >= "\x80" for character in text)
    return (text, damaged) if is_utf8 else None


def _guess(data: bytes, groups: Sequence[Sequence[tuple[str, str, str, str]]]) -> str | None:
    for group in groups:
        shares = [_share(data, *encoding) for _, *encoding in group]
        if max(shares) >= _FREQUENT:
            return group[shares.index(max(shares))][0]
    return None


def _share(data: bytes, codec: str, letters: str, frequent: str) -> float:
    """Return the share of frequent letters among the characters of a text; 0 if it cannot be of that encoding."""
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        if error.start < len(data) - 4:  # the last character may have been cut
            return 0.0
        text = data[: error.start].decode(codec)
    others = "".join(character for character in text if character >= "\x80")
    fits = others and len(re.findall(letters, others)) >= _FITS * len(others)
    return len(re.findall(frequent, others)) / len(others) if fits else 0.0


def decode(data: bytes) -> tuple[str, str]:
    """Decode text as UTF-8, else as Windows-1252 or Latin-1; returns it with a note, empty for UTF-8.

    Text that is UTF-8 but for a few bytes keeps its letters; the bytes become the character U+FFFD.
    """
    try:
        return data.decode(), ""
    except UnicodeDecodeError:
        pass
    utf8 = _as_utf8(data)
    if utf8 is not None:
        text, damaged = utf8
        return text, f"{damaged:,} character{'s' * (damaged > 1)} of another encoding than UTF-8: read as '\ufffd'"
    try:
        return data.decode("windows-1252"), "not UTF-8: read as windows-1252"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "not UTF-8: read as latin-1"
