import { expect, test } from 'vitest';
import { admitter, parsePattern, type Pattern, patternFor } from '../../../installer/config/allowed-sources.ts';
import { InstallError } from '../../../installer/core/errors.ts';
import type { Origin } from '../../../installer/core/origin.ts';
import { parseReference } from '../../../installer/sources/index.ts';
import { DIGEST, listDeps } from '../../support/list.ts';

function patternOf(text: string): Pattern {
  const pattern = parsePattern(text);
  if ('fault' in pattern) throw new Error(`${text} is no pattern: ${pattern.fault}`);
  return pattern;
}

/** yes, no, or refused: the reference itself does not parse. */
function verdict(pattern: string, source: string): string {
  const ctx = { ...listDeps, cwd: '/', isInsecureHost: () => true };
  const admits = admitter([patternOf(pattern)]);
  try {
    return admits(parseReference(source, ctx).origin) ? 'yes' : 'no';
  } catch (thrown) {
    if (thrown instanceof InstallError && thrown.reason === 'ReferenceInvalid') return 'refused';
    throw thrown;
  }
}

const ORG = 'oci://ghcr.io/my-org';
const WEB = 'https://host/plugins';

test.each([
  [ORG, 'oci://ghcr.io/my-org/p:1', 'yes'],
  [ORG, 'oci://ghcr.io/my-org-evil/p:1', 'no'],
  [ORG, 'oci://ghcr.io/my-org:1', 'yes'],
  [ORG, 'oci://ghcr.io.evil.com/my-org/p:1', 'no'],
  [ORG, 'oci://evil.com/ghcr.io/my-org/p:1', 'no'],
  [ORG, 'oci://GHCR.io:443/my-org/p:1', 'yes'],
  [ORG, 'oci://ghcr.io:8443/my-org/p:1', 'no'],
  [ORG, 'https://ghcr.io/my-org/p.tgz', 'no'],
  [ORG, 'oci://ghcr.io/my/org/p:1', 'no'],
  [ORG, `oci://ghcr.io/my-org/p@${DIGEST}!any/path`, 'yes'],
  [`${ORG}/`, `oci://ghcr.io/my-org/p@${DIGEST}`, 'yes'],
  [`${ORG}/*`, 'oci://ghcr.io/my-org/p:1', 'yes'],
  [`${ORG}/**`, 'oci://ghcr.io/my-org/a/b:1', 'yes'],
  [`${ORG}/*`, 'oci://ghcr.io/my-org-evil/p:1', 'no'],
  ['oci://GHCR.IO:443/my-org', 'oci://ghcr.io/my-org/p:1', 'yes'],
  ['oci://ghcr.io', 'oci://ghcr.io/any/p:1', 'yes'],
  ['oci://ghcr.io', 'oci://xghcr.io/any/p:1', 'no'],
  ['oci://localhost:5000', 'oci://localhost:5000/x:1', 'yes'],
  ['oci://localhost:5000', 'oci://localhost/x:1', 'no'],
  ['oci://[::1]:5000', 'oci://[0:0::1]:5000/x:1', 'yes'],
  ['oci://*.corp.example', 'oci://a.corp.example/x:1', 'yes'],
  ['oci://*.corp.example', 'oci://corp.example/x:1', 'no'],
  ['oci://*.corp.example', 'oci://a.b.corp.example/x:1', 'no'],
  ['oci://*.corp.example', 'oci://acorp.example/x:1', 'no'],
  ['oci://*.corp.example/team', 'oci://a.corp.example/team/x:1', 'yes'],
  ['oci://*.corp.example/team', 'oci://a.corp.example/other/x:1', 'no'],
  ['oci://*.corp.example:5000', 'oci://a.corp.example:5000/x:1', 'yes'],
  ['oci://docker.io/library', 'oci://index.docker.io/busybox:1', 'yes'],
  ['oci://registry-1.docker.io/acme', 'oci://docker.io/acme/x:1', 'yes'],
  [WEB, 'https://host/plugins/a.tgz', 'yes'],
  [WEB, 'https://host/plugins/a.tgz?token=x', 'yes'],
  [WEB, 'https://host/plugins-x/a.tgz', 'no'],
  [WEB, 'https://host/plugins/../x.tgz', 'refused'],
  [WEB, 'https://host/plugins/%2e%2e/x.tgz', 'refused'],
  [WEB, 'https://host/plugins%2f..%2fx', 'refused'],
  [WEB, 'https://host/plugins//x.tgz', 'refused'],
  [WEB, 'https://host/plugins/%5cx.tgz', 'refused'],
  [WEB, 'https://host/plugins/%00x.tgz', 'refused'],
  [WEB, 'https://host@evil/plugins/a.tgz', 'refused'],
  [WEB, 'http://host/plugins/a.tgz', 'no'],
  [WEB, 'https://host:8443/plugins/a.tgz', 'no'],
  [WEB, 'https://HOST:443/%70lugins/a.tgz', 'yes'],
  [WEB, 'https://host/Plugins/a.tgz', 'no'],
  ['https://host/a%20b', 'https://host/a%20b/x.tgz', 'yes'],
  ['https://b\u00fccher.example', 'https://xn--bcher-kva.example/x.tgz', 'yes'],
  ['http://host', 'http://host/x.tgz', 'yes'],
  ['http://host', 'https://host/x.tgz', 'no'],
  ['http://host:443', 'http://host:443/x.tgz', 'yes'],
  ['npm:@acme/*', '@acme/x@1.0.0', 'yes'],
  ['npm:@acme', 'npm:@acme/x@1.0.0', 'yes'],
  ['npm:@acme/**', '@acme/x@1.0.0', 'yes'],
  ['npm:@acme/*', '@acme-evil/x@1.0.0', 'no'],
  ['npm:@acme/*', 'acme@1.0.0', 'no'],
  ['npm:@acme/*', 'x@npm:@acme/y@1.0.0', 'yes'],
  ['npm:@acme/*', '@acme/y@npm:evil@1.0.0', 'no'],
  ['npm:@acme/*', 'y@npm:evil@1.0.0', 'no'],
  ['npm:@acme/x', '@acme/x@1.0.0', 'yes'],
  ['npm:@acme/x', '@acme/xy@1.0.0', 'no'],
  ['npm:left-pad', 'left-pad@1.0.0', 'yes'],
  ['npm:left-pad', 'left-pad-evil@1.0.0', 'no'],
  ['npm:*', '@any/thing@1.0.0', 'yes'],
  ['npm:*', 'oci://ghcr.io/x/y:1', 'no'],
  ['npm:*@registry=https://npm.example/', 'x@1.0.0', 'yes'],
  ['npm:*@registry=https://npm.example', 'x@1.0.0', 'yes'],
  ['npm:@acme@registry=https://NPM.example:443/', '@acme/x@1.0.0', 'yes'],
  ['npm:*@registry=https://npm.example/other/', 'x@1.0.0', 'no'],
  ['npm:*@registry=https://npm.example.evil/', 'x@1.0.0', 'no'],
  ['npm:*@registry=http://npm.example/', 'x@1.0.0', 'no'],
  [ORG, './local', 'yes'],
  [ORG, 'file:/opt/plugins/x', 'yes'],
])('%s on %s: %s', (pattern, source, expected) => {
  expect(verdict(pattern, source)).toBe(expected);
});

test.each([
  ['*', /admits everything/],
  ['', /scheme/],
  ['ghcr.io/acme', /scheme/],
  ['OCI://ghcr.io/acme', /scheme/],
  ['ftp://host', /scheme/],
  ['git+https://host/x', /scheme/],
  ['./local', /always admitted/],
  ['file:/x', /always admitted/],
  ['oci://', /host/],
  ['oci:///acme', /host/],
  ['oci://*', /host/],
  ['oci://*.*.example', /host/],
  ['oci://a.*.example', /host/],
  ['oci://*.10.0.0.1', /subdomains/],
  ['oci://u:p@ghcr.io/acme', /credentials/],
  ['oci://ghcr.io:0/acme', /port/],
  ['oci://ghcr.io/acme/x:1', /tag/],
  [`oci://ghcr.io/acme/x@${DIGEST}`, /tag/],
  ['oci://ghcr.io/acme!x', /tag/],
  ['oci://ghcr.io/acme*', /whole segments/],
  ['oci://ghcr.io/*/x', /whole segments/],
  ['oci://ghcr.io/Acme', /repository name/],
  ['oci://ghcr.io//acme', /repository name/],
  ['https://*.host/x', /wildcard/],
  ['https://host/../x', /not allowed/],
  ['https://host/a/%2e%2e/b', /not allowed/],
  ['https://host/a%2fb', /not allowed/],
  ['https://host/a?b', /query/],
  ['https://host/a#b', /query/],
  ['https://host/a*b', /whole segments/],
  ['https://u@host/a', /credentials/],
  ['npm:', /package name/],
  ['npm:@', /package name/],
  ['npm:@acme/x@1.0.0', /version/],
  ['npm:x@1', /version/],
  ['npm:@acme/x/y', /package name/],
  ['npm:ac*', /package name/],
  ['npm:*@registry=npm.example', /registry/],
  ['npm:*@registry=https://u:p@npm.example/', /registry/],
])('%s is no pattern, and what to write instead is known', (text, says) => {
  const pattern = parsePattern(text);
  if (!('fault' in pattern)) throw new Error(`${text} was accepted`);
  expect(pattern.fault).toMatch(says);
  expect(pattern.fix).not.toBe('');
});

test('no patterns admit everything', () => {
  const anything: Origin = { scheme: 'oci', host: 'anywhere', port: 1, segments: [] };
  expect(admitter([])(anything)).toBe(true);
});

test('one matching pattern among several is enough', () => {
  const admits = admitter([patternOf('npm:a'), patternOf(ORG)]);
  expect(admits({ scheme: 'npm', name: 'a', registry: 'https://npm.example/' })).toBe(true);
  expect(admits({ scheme: 'npm', name: 'b', registry: 'https://npm.example/' })).toBe(false);
});

test.each<[Origin, string]>([
  [{ scheme: 'oci', host: 'ghcr.io', port: 443, segments: ['a', 'b'] }, 'oci://ghcr.io/a/b'],
  [{ scheme: 'oci', host: 'localhost', port: 5000, segments: ['a'] }, 'oci://localhost:5000/a'],
  [{ scheme: 'https', host: 'h', port: 443, segments: ['d', 'x.tgz'] }, 'https://h/d'],
  [{ scheme: 'https', host: 'h', port: 443, segments: ['x.tgz'] }, 'https://h'],
  [{ scheme: 'http', host: 'h', port: 443, segments: [] }, 'http://h:443'],
  [{ scheme: 'npm', name: '@a/b', registry: 'https://npm.example/' }, 'npm:@a/b'],
])('%o is suggested as %s, which admits it', (origin, text) => {
  expect(patternFor(origin)).toBe(text);
  expect(admitter([patternOf(text)])(origin)).toBe(true);
});
