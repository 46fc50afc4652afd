"""Pictures, documents and recordings in the forms of the common libraries: read alike, judged before they are sent."""

import base64
from typing import Any

import pytest

from providers_app import conf
from providers_app.chat.counting import IMAGE_TOKENS, PDF_TOKENS, estimate_part
from providers_app.chat.messages import parse_messages
from providers_app.errors import InvalidRequest
from providers_app.registry.settings import ProvidersConfig
from providers_app.types.chat import AudioPart, FilePart, ImagePart, Message, ToolCallPart, ToolResultPart

DATA = base64.b64encode(b"some bytes").decode()
WEB = "https://x.example/a"

FORMS: list[tuple[dict[str, Any], Any]] = [
    ({"type": "image_url", "image_url": {"url": WEB}}, ImagePart(url=WEB)),
    ({"type": "input_image", "image_url": f"data:image/jpg;base64,{DATA}"}, ImagePart("image/jpeg", DATA)),
    ({"type": "image", "source": {"type": "url", "url": WEB}}, ImagePart(url=WEB)),
    ({"type": "image", "source": {"media_type": "image/gif", "data": DATA}}, ImagePart("image/gif", DATA)),
    ({"type": "image", "data": DATA}, ImagePart("image/png", DATA)),
    ({"type": "file", "file": {"filename": "a.pdf", "file_data": DATA}}, FilePart(data=DATA, name="a.pdf")),
    ({"type": "file", "file": {"filename": "a.md", "file_data": DATA}}, FilePart("text/plain", DATA, name="a.md")),
    ({"type": "input_file", "file_data": f"data:text/csv;base64,{DATA}"}, FilePart("text/csv", DATA)),
    ({"type": "input_file", "file_url": WEB}, FilePart(url=WEB)),
    ({"type": "document", "source": {"data": DATA}, "title": "T"}, FilePart(data=DATA, name="T")),
    ({"type": "document", "source": {"type": "url", "url": WEB}}, FilePart(url=WEB)),
    ({"type": "document", "url": f"data:application/pdf;base64,{DATA}"}, FilePart(data=DATA)),
    ({"type": "document", "source": {"type": "text", "data": "some bytes"}}, FilePart("text/plain", DATA)),
    ({"type": "input_audio", "input_audio": {"data": DATA, "format": "mp3"}}, AudioPart("audio/mpeg", DATA)),
    ({"type": "audio", "media_type": "audio/x-wav", "data": DATA}, AudioPart("audio/wav", DATA)),
]


def read(part: Any, role: str = "user") -> Any:
    (message,) = parse_messages([{"role": role, "content": [part]}])
    return message.parts[0]


@pytest.mark.parametrize(("form", "part"), FORMS)
def test_every_form_becomes_one_part_and_a_part_stays_one(form: dict[str, Any], part: Any) -> None:
    assert read(form) == part
    assert read(part) == part


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"type": "image_url"}, "no URL"),
        ({"type": "image_url", "image_url": "ftp://x/a.png"}, "must begin with"),
        ({"type": "image_url", "image_url": f"data:image/png,{DATA}"}, "must be base64"),
        ({"type": "image", "data": "%%%"}, "empty or not base64"),
        ({"type": "image", "data": DATA, "media_type": "image/bmp"}, "not accepted"),
        ({"type": "image", "source": 7}, "must be a dictionary"),
        ({"type": "input_image", "file_id": "file-1"}, "file_id"),
        ({"type": "file", "file": {"file_id": "file-1"}}, "file_id"),
        ({"type": "document", "source": {"type": "file", "file_id": "f"}}, "file_id"),
        ({"type": "file", "file": {"file_data": f"data:application/zip;base64,{DATA}"}}, "not accepted"),
        ({"type": "document", "source": {"data": ""}}, "empty or not base64"),
        ({"type": "input_audio", "input_audio": {"data": DATA, "format": "midi"}}, "not accepted"),
        ({"type": "video", "url": WEB}, "is not known"),
        (FilePart(media_type=3, data=DATA), "wrong type"),  # type: ignore[arg-type]
        (AudioPart("audio/wav", 3), "empty or not base64"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_sent_is_said_before_it_is(wrong: Any, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        read(wrong)


def test_a_file_that_is_too_large_is_refused_by_the_setting() -> None:
    large = base64.b64encode(b"x" * 2000).decode()
    with conf.use(ProvidersConfig(max_file_bytes=1024)):
        with pytest.raises(InvalidRequest, match="the limit is 1,024") as caught:
            read(FilePart(data=large))
        assert "MAX_FILE_BYTES" in caught.value.hint
        assert read(FilePart(data=DATA)) == FilePart(data=DATA)
        assert read(FilePart(url=WEB)) == FilePart(url=WEB)


@pytest.mark.parametrize("limit", [1024, 1025, 1026])
@pytest.mark.parametrize("size", range(1020, 1032))
def test_a_file_may_be_as_large_as_the_setting_says(size: int, limit: int) -> None:
    """But for the bytes with which base64 is filled up."""
    data = base64.b64encode(b"x" * size).decode()
    with conf.use(ProvidersConfig(max_file_bytes=limit)):
        for part in (ImagePart("image/png", data), FilePart(data=data), AudioPart("audio/wav", data)):
            if len(data) * 3 // 4 <= limit + 2:
                assert read(part) == part and size <= limit + 2
            else:
                with pytest.raises(InvalidRequest, match=f"of {len(data) * 3 // 4:,} bytes is too large"):
                    read(part)
                assert size > limit


TYPES = {
    "image": {*(f"image/{kind}" for kind in ("png", "jpeg", "gif", "webp"))},
    "document": {"application/pdf", *(f"text/{kind}" for kind in ("plain", "markdown", "csv", "html", "xml"))},
    "audio": {*(f"audio/{kind}" for kind in ("wav", "mpeg", "mp4", "aac", "ogg", "flac", "webm", "aiff"))},
}
ALIASES = {
    **{("image", kind): "image/jpeg" for kind in ("image/jpg", "IMAGE/JPG", " image/jpeg ; q=1", "image/jpeg;x")},
    **{("audio", kind): "audio/wav" for kind in ("audio/x-wav", "audio/wave", "audio/wav")},
    ("audio", "audio/mp3"): "audio/mpeg",
    ("document", "text/csv; charset=utf-8"): "text/csv",
    **{(what, kind): kind for what, kinds in TYPES.items() for kind in kinds},
    **{("audio", name): "audio/wav" for name in ("", None)},
    **{("image", name): "image/png" for name in ("", None)},
    **{("document", name): "application/pdf" for name in ("", None)},
}


@pytest.mark.parametrize(("what", "given"), ALIASES, ids=str)
def test_a_media_type_is_known_by_each_of_its_names(what: str, given: Any) -> None:
    assert read({"type": what, "media_type": given, "data": DATA}).media_type == ALIASES[what, given]
    if given and what != "audio":
        inline = {"type": what, "url": f"data:{given};base64,{DATA}"}
        assert read(inline).media_type == ALIASES[what, given]


@pytest.mark.parametrize("what", TYPES)
@pytest.mark.parametrize("given", ["image/bmp", "application/zip", "audio/midi", "text/rtf"])
def test_other_media_types_are_refused_with_those_that_are_taken(what: str, given: str) -> None:
    with pytest.raises(InvalidRequest, match="are not accepted") as caught:
        read({"type": what, "media_type": given, "data": DATA})
    assert caught.value.hint == f"Accepted: {', '.join(sorted(TYPES[what]))}."
    called = {"image": "picture", "document": "document", "audio": "recording"}[what]
    assert caught.value.message.startswith(f"Message 1: {called}s of type ")


@pytest.mark.parametrize(
    ("form", "media_type"),
    [("wav", "audio/wav"), ("mp3", "audio/mpeg"), ("m4a", "audio/mp4"), ("flac", "audio/flac"), ("ogg", "audio/ogg")],
)
def test_a_recording_is_known_by_its_format(form: str, media_type: str) -> None:
    assert read({"type": "input_audio", "input_audio": {"data": DATA, "format": form}}) == AudioPart(media_type, DATA)


@pytest.mark.parametrize("what", ["a picture", "a document"])
@pytest.mark.parametrize("url", ["data:image/png,x", "data:image/png;base64", "ftp://x.example/a", "x"])
def test_an_address_that_cannot_be_read_says_of_what(what: str, url: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"^Message 1: {what}'s (data )?URL must b"):
        read({"type": "image" if what == "a picture" else "document", "url": url})
    if what == "a document" and url.startswith("data:"):
        with pytest.raises(InvalidRequest, match=r"^Message 1: a document's data URL must be base64"):
            read({"type": "file", "file": {"file_data": url}})


@pytest.mark.parametrize("url", ["https://x.example/a", "http://x.example/a", "gs://bucket/a"])
def test_an_address_stays_with_its_part(url: str) -> None:
    assert read({"type": "image", "url": url}) == ImagePart(url=url)
    assert read({"type": "document", "url": url, "name": "a", "data": DATA}) == FilePart(url=url, name="a")
    assert read({"type": "image", "ref": "ab"}) == ImagePart(ref="ab")


@pytest.mark.parametrize(
    ("role", "form", "part"), [("system", 0, ImagePart(url=WEB)), ("assistant", 5, FilePart(url=WEB))]
)
def test_only_a_person_and_a_tool_send_files(role: Any, form: int, part: Any) -> None:
    for message in ({"role": role, "content": [FORMS[form][0]]}, Message(role, (part,))):
        with pytest.raises(InvalidRequest, match="only"):
            parse_messages([message])


def test_a_tool_answers_with_pictures_and_documents() -> None:
    called = {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "look", "arguments": "{}"}}]}
    content = [{"type": "text", "text": "seen"}, FORMS[0][0], FORMS[5][0]]
    _, result = parse_messages([called, {"role": "tool", "tool_call_id": "c", "content": content}])
    assert result.parts == (
        ToolResultPart("c", "look", "seen", media=(ImagePart(url=WEB), FilePart(data=DATA, name="a.pdf"))),
    )
    with pytest.raises(InvalidRequest, match="text, pictures and documents"):
        parse_messages([called, {"role": "tool", "tool_call_id": "c", "content": [FORMS[-1][0]]}])
    bad = Message("tool", (ToolResultPart("c", "look", "", media=(ImagePart("image/bmp", DATA),)),))
    with pytest.raises(InvalidRequest, match="not accepted"):
        parse_messages([called, bad])


def test_estimates_count_what_is_sent() -> None:
    pdf = base64.b64encode(b"x" * 400_000).decode()
    assert estimate_part(ImagePart(url=WEB)) == IMAGE_TOKENS
    assert estimate_part(FilePart(url=WEB)) == estimate_part(FilePart(data=DATA)) == PDF_TOKENS
    assert 9_900 < estimate_part(FilePart(data=pdf)) < 10_100
    assert estimate_part(FilePart("text/plain", pdf)) > 99_000
    assert estimate_part(AudioPart("audio/mpeg", pdf)) == 800
    assert estimate_part(ToolCallPart("c", "look", {})) < 5
    assert estimate_part(ToolResultPart("c", "look", "abcd", media=(ImagePart(url=WEB),))) == IMAGE_TOKENS + 1
