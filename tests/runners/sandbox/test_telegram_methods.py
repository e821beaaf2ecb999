"""The Bot API of the sandbox answers aiogram as the real one does."""

import json
from collections.abc import AsyncIterator

import pytest
from aiogram.exceptions import TelegramBadRequest, TelegramNotFound, TelegramUnauthorizedError
from aiogram.methods import SendDice
from aiogram.types import (
    BotCommand,
    BufferedInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    MenuButtonCommands,
)
from tests.runners.sandbox.telegram import TOKEN, Local, api_session, opened, picture

from veilbot_runners.sandbox.telegram.methods import METHODS


@pytest.fixture(scope="module")
async def local() -> AsyncIterator[Local]:
    async with opened() as local:
        yield local


def keyboard(*buttons: InlineKeyboardButton) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(inline_keyboard=[list(buttons)])


def tap(data: str = "buy") -> InlineKeyboardMarkup:
    return keyboard(InlineKeyboardButton(text="Buy", callback_data=data))


async def test_a_message_reaches_the_customer_with_its_formatting_and_buttons(local: Local) -> None:
    chat = await local.customer()
    sent = await local.bot.send_message(
        chat, "<b>Hi</b> &amp; <a href='https://a.example/'>there</a>", parse_mode="HTML", reply_markup=tap()
    )
    assert sent.text == "Hi & there"
    assert sent.html_text == '<b>Hi</b> &amp; <a href="https://a.example/">there</a>'
    item = (await local.items(chat))[-1]
    assert item["from"] == "bot"
    assert item["html"].startswith("<b>Hi</b> &amp; <a href=")
    assert item["buttons"] == [[{"text": "Buy", "data": "buy"}]]


async def test_the_bot_knows_itself_and_the_method_s_case_does_not_matter(local: Local) -> None:
    me = await local.bot.get_me()
    assert (me.id, me.is_bot, me.username) == (42, True, "veilbot_bot")
    for name in ("getme", "GETME", "getMe"):
        assert (await local.http.get(f"/bot{TOKEN}/{name}")).json()["result"]["id"] == 42


async def test_a_wrong_token_and_an_unknown_method_are_refused(local: Local) -> None:
    async with type(local.bot)("43:WRONG", session=api_session(local.url)).context() as stranger:
        with pytest.raises(TelegramUnauthorizedError):
            await stranger.get_me()
    with pytest.raises(TelegramNotFound, match="method not found"):
        await local.bot(SendDice(chat_id=1))
    assert (await local.http.put(f"/bot{TOKEN}/getMe")).status_code == 405
    assert (await local.http.get(f"/bot{TOKEN}")).status_code == 404


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<b>Hi", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<b>Hi</i>", 'Unmatched end tag at byte offset 5, expected "</b>", found "</i>"'),
        ("ё<blink>x</blink>", 'Unsupported start tag "blink" at byte offset 2'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b", "Unclosed start tag at byte offset 0"),
        ("<a =x>y</a>", 'Empty attribute name in the tag "a" at byte offset 0'),
    ],
)
async def test_broken_html_is_refused_in_telegram_s_words(local: Local, text: str, reason: str) -> None:
    chat = await local.customer()
    with pytest.raises(TelegramBadRequest) as refused:
        await local.bot.send_message(chat, text, parse_mode="HTML")
    assert refused.value.message == f"Bad Request: can't parse entities: {reason}"


async def test_lengths_are_counted_in_utf_16_after_the_formatting(local: Local) -> None:
    chat = await local.customer()
    await local.bot.send_message(chat, f"<b>{'x' * 4096}</b>", parse_mode="HTML")
    await local.bot.send_message(chat, "😀" * 2048)
    for text, reason in (
        ("x" * 4097, "message is too long"),
        ("😀" * 2049, "too long"),
        (" ", "text must be non-empty"),
    ):
        with pytest.raises(TelegramBadRequest, match=reason):
            await local.bot.send_message(chat, text)
    with pytest.raises(TelegramBadRequest, match="caption is too long"):
        await local.bot.send_photo(chat, BufferedInputFile(picture(), "a.png"), caption="x" * 1025)
    assert (await local.call("sendMessage", chat_id=chat)).json()["description"] == "Bad Request: message text is empty"


@pytest.mark.parametrize(
    ("button", "reason"),
    [
        ({"text": "x", "callback_data": "ё" * 33}, "BUTTON_DATA_INVALID"),
        ({"text": "x"}, "Text buttons are unallowed in the inline keyboard"),
        ({"callback_data": "x"}, 'Can\'t find field "text"'),
        ({"text": 1, "callback_data": "x"}, 'Field "text" must be of type String'),
        ({"text": "x", "url": "ftp://a.example"}, "is invalid: Unsupported URL protocol"),
        ({"text": "x", "url": "http://localhost/"}, "is invalid: Wrong HTTP URL"),
        ({"text": "x", "copy_text": {"text": "y" * 257}}, "BUTTON_COPY_TEXT_INVALID"),
        ({"text": "x", "pay": True}, "BUTTON_TYPE_INVALID"),
    ],
)
async def test_buttons_keep_telegram_s_rules(local: Local, button: object, reason: str) -> None:
    chat = await local.customer()
    markup = json.dumps({"inline_keyboard": [[button]]})
    answer = await local.call("sendMessage", chat_id=chat, text="x", reply_markup=markup)
    assert answer.status_code == 400
    assert reason in answer.json()["description"]


async def test_a_keyboard_has_its_limits(local: Local) -> None:
    chat = await local.customer()
    await local.bot.send_message(chat, "64 bytes fit", reply_markup=tap("ё" * 32))
    wide = keyboard(*[InlineKeyboardButton(text="x", callback_data="x")] * 9)
    with pytest.raises(TelegramBadRequest, match="reply markup is too long"):
        await local.bot.send_message(chat, "x", reply_markup=wide)


async def test_strangers_and_people_who_blocked_the_bot_cannot_be_written_to(local: Local) -> None:
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await local.bot.send_message(1, "x")
    assert (await local.call("sendMessage", text="x")).json()["description"] == "Bad Request: chat_id is empty"


async def test_a_message_is_edited_in_place_and_an_edit_must_change_something(local: Local) -> None:
    chat = await local.customer()
    sent = await local.bot.send_message(chat, "one", reply_markup=tap())
    edited = await local.bot.edit_message_text("<i>two</i>", None, chat, sent.message_id, parse_mode="HTML")
    assert not isinstance(edited, bool)
    assert (edited.text, edited.reply_markup) == ("two", None)
    items = await local.items(chat)
    assert [(item["text"], item.get("edited", False)) for item in items] == [("/start", False), ("two", True)]
    with pytest.raises(TelegramBadRequest, match="message is not modified"):
        await local.bot.edit_message_text("<i>two</i>", None, chat, sent.message_id, parse_mode="HTML")
    await local.bot.edit_message_reply_markup(None, chat, sent.message_id, reply_markup=tap())
    with pytest.raises(TelegramBadRequest, match="message to edit not found"):
        await local.bot.edit_message_text("x", None, chat, 10**6)
    with pytest.raises(TelegramBadRequest, match="message can't be edited"):
        await local.bot.edit_message_text("x", None, chat, items[0]["message_id"])
    with pytest.raises(TelegramBadRequest, match="there is no caption"):
        await local.bot.edit_message_caption(None, chat, sent.message_id, caption="x")


async def test_messages_are_deleted_copied_and_forwarded(local: Local) -> None:
    chat, other = await local.customer(), await local.customer()
    sent = await local.bot.send_message(chat, "<b>keep</b>", parse_mode="HTML")
    copied = await local.bot.copy_message(other, chat, sent.message_id)
    forwarded = await local.bot.forward_message(other, chat, sent.message_id)
    assert [item.get("html") for item in (await local.items(other))[1:]] == ["<b>keep</b>"] * 2
    assert await local.bot.delete_messages(other, [copied.message_id, forwarded.message_id, 10**6])
    assert len(await local.items(other)) == 1
    assert await local.bot.delete_message(chat, sent.message_id)
    for gone in (local.bot.delete_message(chat, sent.message_id), local.bot.copy_message(other, chat, sent.message_id)):
        with pytest.raises(TelegramBadRequest, match="not found"):
            await gone


async def test_a_picture_is_shown_downloaded_and_sent_again_by_its_id(local: Local) -> None:
    chat = await local.customer()
    sent = await local.bot.send_photo(chat, BufferedInputFile(picture(), "qr.png"), caption="<code>ss://x</code>")
    assert sent.photo is not None
    assert (sent.photo[-1].width, sent.photo[-1].height) == (40, 30)
    again = await local.bot.send_photo(chat, sent.photo[-1].file_id)
    file = await local.bot.get_file(sent.photo[-1].file_id)
    assert file.file_path is not None
    downloaded = await local.bot.download_file(file.file_path)
    assert downloaded is not None
    assert downloaded.read() == picture()
    item = (await local.items(chat))[1]
    assert (item["caption"], item["photo"]["width"]) == ("<code>ss://x</code>", 40)
    shown = await local.http.get(item["photo"]["url"].removeprefix("/sandbox/telegram"))
    assert (shown.headers["content-type"], shown.content) == ("image/png", picture())
    assert again.photo is not None
    assert again.photo[-1].file_unique_id == sent.photo[-1].file_unique_id


async def test_pictures_and_files_are_checked(local: Local) -> None:
    chat = await local.customer()
    for content, reason in ((b"no picture", "IMAGE_PROCESS_FAILED"), (picture(9000, 1001), "PHOTO_INVALID_DIMENSIONS")):
        with pytest.raises(TelegramBadRequest, match=reason):
            await local.bot.send_photo(chat, BufferedInputFile(content, "x.png"))
    with pytest.raises(TelegramBadRequest, match="wrong remote file identifier"):
        await local.bot.send_photo(chat, "AgACunknown")
    document = await local.bot.send_document(chat, BufferedInputFile(b"a,b", "keys.csv"), caption="yours")
    assert document.document is not None
    assert document.document.file_name == "keys.csv"
    new = InputMediaPhoto(media=BufferedInputFile(picture(), "p.png"), caption="<b>new</b>", parse_mode="HTML")
    changed = await local.bot.edit_message_media(new, chat_id=chat, message_id=document.message_id)
    assert not isinstance(changed, bool)
    assert changed.photo is not None
    assert changed.document is None
    assert (await local.items(chat))[-1]["caption_html"] == "<b>new</b>"


async def test_the_bot_s_face_is_remembered_by_language(local: Local) -> None:
    chat = await local.customer(language_code="ru")
    await local.bot.set_my_commands([BotCommand(command="keys", description="My keys")])
    await local.bot.set_my_commands([BotCommand(command="keys", description="Мои ключи")], language_code="ru")
    await local.bot.set_my_description("VPN")
    await local.bot.set_my_short_description("V")
    await local.bot.set_chat_menu_button(menu_button=MenuButtonCommands())
    assert (await local.bot.get_my_commands())[0].description == "My keys"
    view = await local.done("GET", f"/chats/{chat}")
    assert view["commands"] == [{"command": "keys", "description": "Мои ключи"}]
    assert view["bot"] == {"name": "VeilBot", "username": "veilbot_bot", "description": "VPN"}
    await local.bot.delete_my_commands(language_code="ru")
    assert (await local.done("GET", f"/chats/{chat}"))["commands"][0]["description"] == "My keys"
    with pytest.raises(TelegramBadRequest, match="BOT_COMMAND_INVALID"):
        await local.bot.set_my_commands([BotCommand(command="No!", description="x")])


async def test_chats_and_members_can_be_looked_at(local: Local) -> None:
    chat = await local.customer(name="Alice Novak")
    full = await local.bot.get_chat(chat)
    assert (full.type, full.first_name, full.last_name) == ("private", "Alice", "Novak")
    assert (await local.bot.get_chat_member(chat, chat)).status == "member"
    await local.bot.send_chat_action(chat, "typing")
    assert (await local.done("GET", f"/chats/{chat}"))["chat"]["typing"] is True
    await local.bot.send_message(chat, "done")
    assert (await local.done("GET", f"/chats/{chat}"))["chat"]["typing"] is False
    assert await local.bot.log_out()


@pytest.mark.parametrize("method", [*METHODS, "getupdates", "nonsense"])
async def test_nonsense_is_never_the_sandbox_s_own_failure(local: Local, method: str) -> None:
    chat = await local.customer()
    names = ("text", "photo", "media", "message_ids", "commands", "reply_markup", "prices", "entities", "scope")
    for value in ("[1]", "{}", '"x"', "[[", '{"inline_keyboard":[[1]]}', "9" * 30, "[{}]"):
        params = dict.fromkeys(names, value) | {"chat_id": str(chat), "message_id": value, "parse_mode": "HTML"}
        for content in (params, {"chat_id": value, "user_id": value}):
            answer = await local.call(method, **content)
            assert answer.status_code < 500, (content, answer.text)
    for body, kind in (
        (b"\xff\xfe", "application/json"),
        (b"[" * 10**5, "application/json"),
        (b"x", "multipart/form-data"),
    ):
        answer = await local.http.post(f"/bot{TOKEN}/{method}", content=body, headers={"content-type": kind})
        assert answer.status_code in {400, 404}
    await local.call("deleteWebhook")
