// The small bot with Bolt for JavaScript: answers every message with one line and a button.
import bolt from '@slack/bolt';

const [api, token, appToken] = process.argv.slice(2);
const app = new bolt.App({
  token, appToken, socketMode: true, logLevel: 'error', clientOptions: { slackApiUrl: `${api}/` },
});

app.event('message', async ({ event, say }) => {
  const line = `You said ${event.text}`;
  await say({
    text: line,
    blocks: [
      { type: 'rich_text', elements: [{ type: 'rich_text_section', elements: [
        { type: 'text', text: line, style: { bold: true } }] }] },
      { type: 'actions', elements: [{ type: 'button', action_id: 'command-0', value: 'again',
        text: { type: 'plain_text', text: 'Again' } }] },
    ],
  });
});

await app.start();
