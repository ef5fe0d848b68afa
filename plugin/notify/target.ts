/** Where notices go: what a target is called on the command line, and what is posted to it. Sends nothing (notifier.ts). */
import { toWarningAnswer } from '../../src/telemetry/answer.ts';
import type { WarningAnswer } from '../../src/telemetry/api.ts';
import type { WarningRecord } from '../../src/telemetry/warning.ts';

export interface Target {
  url: string;
  format: 'webhook' | 'slack';
  /** For messages: without path and query, which may hold secrets. */
  shown: string;
}

/** What a webhook gets as JSON. */
export interface Notice {
  version: 1;
  status: 'raised' | 'cleared';
  warning: WarningAnswer;
}

/**
 * A target from the command line.
 * @param text `https://host/path`, or `slack:https://…` for Slack's format, which hooks.slack.com has anyway
 * @throws Error naming the option, the rule and the value
 */
export function parseTarget(text: string): Target {
  const slack = text.startsWith('slack:');
  const address = slack ? text.slice('slack:'.length) : text;
  const url = URL.canParse(address) ? new URL(address) : null;
  const refuse = (rule: string) => {
    throw new Error(`notify (--notify, GAINWATCH_NOTIFY) must ${rule}, got ${JSON.stringify(withoutSecrets(text))}`);
  };
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    return refuse('be an http or https address, or slack: and one');
  // fetch refuses such an address, and says it in full.
  if (url.username !== '' || url.password !== '') return refuse('hold no user and password');
  return { url: url.href, format: slack || url.hostname === 'hooks.slack.com' ? 'slack' : 'webhook', shown: url.origin };
}

/** User and password, and what stands behind the host, may be secret. */
const withoutSecrets = (text: string) => text.replace(/\/\/.*@/, '//…@').replace(/([^/:]\/|[?#]).+/, '$1…');

/** What is said of a warning that was raised or has ended. */
export const noticeOf = (status: Notice['status'], record: WarningRecord): Notice => ({
  version: 1,
  status,
  warning: toWarningAnswer(record),
});

/** The body of the request. */
export function bodyFor({ format }: Target, notice: Notice): string {
  return JSON.stringify(format === 'slack' ? { text: slackText(notice) } : notice);
}

/** Slack reads &, < and > as markup. */
const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function slackText({ status, warning }: Notice): string {
  const { severity, rule, run, step, message, runbook } = warning;
  const sign = status === 'cleared' ? ':white_check_mark:' : severity === 'critical' ? ':rotating_light:' : ':warning:';
  const state = status === 'cleared' ? 'cleared' : severity;
  return `${sign} *${escaped(rule)}* ${state}, run \`${escaped(run)}\`, step ${step}\n${escaped(message)}\nWhat to do: ${runbook}`;
}
