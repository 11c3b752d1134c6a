"""The small bot with Bolt for Python: answers every message with one line and a button."""

import asyncio
import sys

from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

api_url, bot, app_token = sys.argv[1:]
app = AsyncApp(client=AsyncWebClient(token=bot, base_url=api_url + "/"))


@app.event("message")
async def answer(event, say):
    line = f"You said {event['text']}"
    await say(text=line, blocks=[
        {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [
            {"type": "text", "text": line, "style": {"bold": True}}]}]},
        {"type": "actions", "elements": [{"type": "button", "action_id": "command-0", "value": "again",
                                          "text": {"type": "plain_text", "text": "Again"}}]}])


async def main():
    await AsyncSocketModeHandler(app, app_token, web_client=AsyncWebClient(base_url=api_url + "/")).start_async()


asyncio.run(main())
