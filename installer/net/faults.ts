/** Codes of sockets, TLS and undici, classified once; nothing else in the program looks at them. */

import { errors } from 'undici';

/** What went wrong below HTTP. */
export interface Fault {
  readonly kind: 'dns' | 'tls' | 'connection' | 'unknown';
  /** Short name for logs: the system's code, or our own for undici's. */
  readonly code: string | undefined;
  readonly isTransient: boolean;
  /** For messages: `connection refused (ECONNREFUSED)`. */
  readonly text: string;
  /** Exact fix where the code tells it. */
  readonly fix?: string;
}

type Row = readonly [text: string, code?: string];

/** Everything here may be gone a moment later. */
const CONNECTION: Readonly<Record<string, Row>> = {
  ECONNREFUSED: ['connection refused'],
  ECONNRESET: ['connection reset'],
  ECONNABORTED: ['connection aborted'],
  EPIPE: ['connection closed while sending'],
  ETIMEDOUT: ['connection timed out'],
  EHOSTUNREACH: ['no route to the host'],
  EHOSTDOWN: ['the host is down'],
  ENETUNREACH: ['no route to the network'],
  ENETDOWN: ['the network is down'],
  ENETRESET: ['the network dropped the connection'],
  EACCES: ['a network policy of the node refuses the connection'],
  EPERM: ['a network policy of the node refuses the connection'],
  EADDRNOTAVAIL: ['no local address is free'],
  EMFILE: ['too many open files in this process'],
  ENFILE: ['too many open files on this node'],
  UND_ERR_CONNECT_TIMEOUT: ['no connection within the connect timeout', 'connect_timeout'],
  UND_ERR_HEADERS_TIMEOUT: ['no answer within the headers timeout', 'headers_timeout'],
  UND_ERR_BODY_TIMEOUT: ['no further byte within the body timeout', 'body_idle_timeout'],
  UND_ERR_SOCKET: ['the other side closed the connection', 'connection_closed'],
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: ['the body is shorter than announced', 'content_length_mismatch'],
  UND_ERR_INFO: ['the connection ended', 'connection_closed'],
  ERR_STREAM_PREMATURE_CLOSE: ['the connection ended', 'connection_closed'],
};

const DNS: Readonly<Record<string, readonly [text: string, isTransient: boolean]>> = {
  ENOTFOUND: ['the name does not exist', false],
  ENODATA: ['the name has no address', false],
  EAI_NODATA: ['the name has no address', false],
  EAI_NONAME: ['the name does not exist', false],
  EAI_FAIL: ['the name server refused', false],
  EAI_AGAIN: ['the name server did not answer', true],
};

const UNKNOWN_CA =
  'mount the CA that signed the certificate and name it in PORTAL_PLUGINS_CA_FILE (or NODE_EXTRA_CA_CERTS); behind an intercepting proxy this is the CA of the proxy';
const WRONG_TIME = 'renew the certificate of the server; if it is valid, correct the clock of the node';
const WRONG_NAME = 'use a host name the certificate is made out to, or renew the certificate with this name';

/** Verification failures: another attempt sees the same certificate. OpenSSL's names, `verify` manual page. */
const TLS: Readonly<Record<string, readonly [text: string, fix?: string]>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: ['the certificate is self-signed and not trusted', UNKNOWN_CA],
  SELF_SIGNED_CERT_IN_CHAIN: ['the certificate is signed by an unknown CA', UNKNOWN_CA],
  UNABLE_TO_GET_ISSUER_CERT: ['the certificate is signed by an unknown CA', UNKNOWN_CA],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['the certificate is signed by an unknown CA', UNKNOWN_CA],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ['the certificate is signed by an unknown CA', UNKNOWN_CA],
  CERT_UNTRUSTED: ['the CA is not trusted', UNKNOWN_CA],
  CERT_HAS_EXPIRED: ['the certificate has expired', WRONG_TIME],
  CERT_NOT_YET_VALID: ['the certificate is not valid yet', WRONG_TIME],
  ERR_TLS_CERT_ALTNAME_INVALID: ['the certificate is made out to another name', WRONG_NAME],
  HOSTNAME_MISMATCH: ['the certificate is made out to another name', WRONG_NAME],
  CERT_REVOKED: ['the certificate is revoked'],
  CERT_REJECTED: ['the certificate is rejected'],
  CERT_SIGNATURE_FAILURE: ['the signature of the certificate is wrong'],
  CERT_CHAIN_TOO_LONG: ['the certificate chain is too long'],
  INVALID_CA: ['a certificate of the chain is no CA'],
  INVALID_PURPOSE: ['the certificate is not for servers'],
  PATH_LENGTH_EXCEEDED: ['the certificate chain is too long'],
  EPROTO: ['the TLS handshake failed'],
  // Node's name for every verdict of OpenSSL it has no name for; the message of the error has the words.
  UNSPECIFIED: [
    'the certificate is not acceptable, often because a key or signature in its chain is too weak',
    'renew the certificate with an RSA key of 2,048 bits or more, or an EC key, signed with SHA-256',
  ],
};

/** Mistakes in calling undici: bugs of this program. Its other errors are about the peer. */
const MISUSE: ReadonlySet<string> = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_INVALID_RETURN_VALUE',
  'UND_ERR_NOT_SUPPORTED',
]);

/** Classifies anything a socket, TLS or undici threw, by the first known code of the error, its parts and its causes. */
export function faultOf(thrown: unknown): Fault {
  for (const code of codesOf(thrown)) {
    const fault = classify(code);
    if (fault !== undefined) return fault;
  }
  // undici 8 has no code for an answer that is not HTTP: https://github.com/nodejs/undici, lib/dispatcher/client-h1.js, createError.
  if (thrown instanceof errors.HTTPParserError) return notHttp('http_invalid');
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return { kind: 'unknown', code: undefined, isTransient: false, text };
}

function classify(code: string): Fault | undefined {
  const connection = CONNECTION[code];
  if (connection !== undefined) {
    const [text, own = code] = connection;
    return { kind: 'connection', code: own, isTransient: true, text: `${text} (${own})` };
  }
  const dns = DNS[code];
  if (dns !== undefined) return { kind: 'dns', code, isTransient: dns[1], text: `${dns[0]} (${code})` };
  const tls = TLS[code];
  if (tls !== undefined) return tlsFault(code, tls[0], tls[1]);
  if (code.startsWith('HPE_')) return notHttp(code);
  if (code.startsWith('ERR_TLS_')) return tlsFault(code, 'the TLS connection could not be made', undefined);
  if (code.startsWith('ERR_SSL_')) return tlsFault(code, 'the TLS handshake failed', handshakeFix(code));
  if (code.startsWith('UND_ERR_') && !MISUSE.has(code)) {
    return { kind: 'connection', code, isTransient: false, text: `the answer cannot be used (${code})` };
  }
  return undefined;
}

function notHttp(code: string): Fault {
  return { kind: 'connection', code, isTransient: true, text: `the answer is not valid HTTP (${code})` };
}

function tlsFault(code: string, text: string, fix: string | undefined): Fault {
  const fault = { kind: 'tls', code, isTransient: false, text: `${text} (${code})` } as const;
  return fix === undefined ? fault : { ...fault, fix };
}

function handshakeFix(code: string): string | undefined {
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH/.test(code)) {
    return 'the server does not speak TLS on this port: correct the port, or list the host in PORTAL_PLUGINS_INSECURE_HOSTS if plain http is meant';
  }
  if (/ALERT_(?:CERTIFICATE_REQUIRED|BAD_CERTIFICATE|HANDSHAKE_FAILURE)/.test(code)) {
    return 'the server may demand a client certificate: configure it for this registry';
  }
  return undefined;
}

/** Codes of the error, of the attempts inside an AggregateError, and of the causes, nearest first. */
function codesOf(thrown: unknown, depth = 0): readonly string[] {
  if (typeof thrown !== 'object' || thrown === null || depth > 4) return [];
  const own = 'code' in thrown && typeof thrown.code === 'string' ? [thrown.code] : [];
  const parts = thrown instanceof AggregateError ? thrown.errors.flatMap((part) => codesOf(part, depth + 1)) : [];
  const causes = 'cause' in thrown ? codesOf(thrown.cause, depth + 1) : [];
  return [...own, ...parts, ...causes];
}
