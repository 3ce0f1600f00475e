/** A private CA and server certificates, made by the openssl program for one test file. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface TestCa {
  /** PEM of the CA. */
  readonly ca: string;
  /** A certificate for `127.0.0.1` and `localhost`. */
  readonly server: Certificate;
  /** Signed by the CA, no longer valid. */
  readonly expired: Certificate;
  /** Signed by the CA, for `elsewhere.example` only. */
  readonly wrongName: Certificate;
  /** For clients. */
  readonly client: Certificate;
}

/** Why tests with certificates cannot run here, or undefined. */
export function whyNoTls(): string | undefined {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'the openssl program is not installed';
  }
}

const NONE: Certificate = { cert: '', key: '' };

/** Makes a CA called `name` and everything signed by it; nothing stays on disk. All is empty where `whyNoTls` gives a reason to skip. */
export function makeCa(name: string): TestCa {
  if (whyNoTls() !== undefined) return { ca: '', server: NONE, expired: NONE, wrongName: NONE, client: NONE };
  const dir = mkdtempSync(join(tmpdir(), 'test-ca-'));
  try {
    openssl(dir, [
      'req',
      '-x509',
      ...NEW_KEY,
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
    ]);
    const here = 'subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:registry.test,DNS:proxy.test';
    return {
      ca: readFileSync(join(dir, 'ca.pem'), 'utf8'),
      server: sign(dir, 'server', here, VALID),
      expired: sign(dir, 'expired', here, { from: '20200101000000Z', to: '20200201000000Z' }),
      wrongName: sign(dir, 'wrong-name', 'subjectAltName=DNS:elsewhere.example', VALID),
      client: sign(dir, 'client', 'extendedKeyUsage=clientAuth', VALID),
    };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const VALID: Validity = { from: '20200101000000Z', to: '20990101000000Z' };
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** `openssl ca`, because `openssl x509` takes no start date before version 3.4. */
const CONFIG = `[ca]
default_ca = here
[here]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
`;

interface Validity {
  /** `YYYYMMDDHHMMSSZ`. */
  readonly from: string;
  readonly to: string;
}

function sign(dir: string, name: string, extension: string, validity: Validity): Certificate {
  writeFileSync(join(dir, `${name}.ext`), extension);
  writeFileSync(join(dir, 'ca.cnf'), CONFIG);
  writeFileSync(join(dir, 'index.txt'), '');
  openssl(dir, ['req', ...NEW_KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`]);
  const by = ['-config', 'ca.cnf', '-cert', 'ca.pem', '-keyfile', 'ca.key', '-batch', '-notext'];
  const dates = ['-startdate', validity.from, '-enddate', validity.to];
  openssl(dir, ['ca', ...by, ...dates, '-in', `${name}.csr`, '-extfile', `${name}.ext`, '-out', `${name}.pem`]);
  const read = (file: string): string => readFileSync(join(dir, file), 'utf8');
  return { cert: read(`${name}.pem`), key: read(`${name}.key`) };
}

function openssl(cwd: string, args: readonly string[]): void {
  execFileSync('openssl', args, { cwd, stdio: 'pipe' });
}
