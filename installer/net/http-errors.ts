/** Foreign errors and bad statuses become reasons here, once. */
import { InstallError } from '../core/errors.ts';
import { escapeText, redactAuthorization, redactUrl } from '../core/redact.ts';
import { faultOf } from './faults.ts';
import type { Fault } from './faults.ts';

const MAX_ANSWER_TEXT = 200;
/** Failures of the server, not of the request. RFC 9110, section 15.6; RFC 6585, section 4; RFC 8470, section 5.2. */
const TRANSIENT_STATUSES: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** True for statuses that `Http.exchange` throws instead of resolving. */
export function isThrownStatus(status: number): boolean {
  return status >= 500 || TRANSIENT_STATUSES.has(status);
}

export interface BadAnswer {
  readonly url: URL;
  readonly status: number;
  /** Milliseconds the server asked to wait. */
  readonly retryAfterMs: number | undefined;
  /** The first bytes of the body. */
  readonly body: Buffer;
}

/** RateLimited for 429, RegistryUnavailable otherwise; transient but for 501, 505 and the like, which the next attempt meets again. */
export function statusError(answer: BadAnswer): InstallError {
  const { status, retryAfterMs } = answer;
  const url = redactUrl(answer.url);
  const text = answerText(answer.body);
  const what = status === 429 ? 'asks to slow down' : 'answered with an error';
  const message = `${url} ${what} (status ${status})${text === '' ? '' : `: ${text}`}`;
  const transient = { code: String(status), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  return new InstallError(status === 429 ? 'RateLimited' : 'RegistryUnavailable', message, {
    details: { url, status, ...(text === '' ? {} : { answer: text }) },
    ...(TRANSIENT_STATUSES.has(status) ? { transient } : {}),
  });
}

/** Messages of the OCI error format, else the first printable characters; one line. OCI distribution-spec v1.1, "Error codes". */
export function answerText(body: Buffer): string {
  const text = body.toString('utf8');
  const words = ociErrors(text) ?? text.replaceAll(/\s+/g, ' ').trim();
  return escapeText(redactAuthorization(words).slice(0, MAX_ANSWER_TEXT));
}

function ociErrors(text: string): string | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined; // most error pages are no JSON
  }
  if (typeof parsed !== 'object' || parsed === null || !('errors' in parsed) || !Array.isArray(parsed.errors))
    return undefined;
  const errors: readonly unknown[] = parsed.errors;
  const words = errors.slice(0, 5).flatMap((error) => {
    if (typeof error !== 'object' || error === null) return [];
    const code: unknown = Reflect.get(error, 'code');
    const message: unknown = Reflect.get(error, 'message');
    return [[code, message].filter((part) => typeof part === 'string' && part !== '').join(': ')];
  });
  return words.join('; ').replaceAll(/\s+/g, ' ');
}

/** What a socket, TLS or undici threw while `url` was asked or its body was read, with the stage's reason. InstallErrors pass through. */
export function requestError(thrown: unknown, url: URL): InstallError {
  if (thrown instanceof InstallError) return thrown;
  const fault = faultOf(thrown);
  const shown = redactUrl(url);
  const details = { url: shown, fault: fault.code, ...(fault.fix === undefined ? {} : { fix: fault.fix }) };
  const transient = fault.isTransient ? { transient: { code: fault.code ?? fault.kind } } : {};
  return new InstallError(REASON[fault.kind], `${shown}: ${fault.text}`, { details, cause: thrown, ...transient });
}

const REASON = {
  dns: 'DnsFailed',
  tls: 'TlsFailed',
  connection: 'RegistryUnavailable',
  unknown: 'Internal',
} as const satisfies Readonly<Record<Fault['kind'], string>>;
