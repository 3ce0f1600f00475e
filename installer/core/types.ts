/**
 * The chain: each step's input is the previous step's output, so a step that is left out does not compile
 * (docs/architecture.md, "The line").
 */
import type { AppConfig } from './app-config.ts';
import type { Context } from './context.ts';
import type { InstallError } from './errors.ts';
import type { Integrity } from './integrity.ts';
import type { Origin } from './origin.ts';

export type Brand<T, B extends string> = T & { readonly __brand: B };
/** Absolute path on this machine. */
export type AbsPath = Brand<string, 'AbsPath'>;
/** POSIX, relative, NFC-comparable, no empty, `.` or `..` segment. */
export type ArchivePath = Brand<string, 'ArchivePath'>;
/** Directory name below the root: package.json name, scope flattened (`@a/b` → `a-b`). */
export type PluginDir = Brand<string, 'PluginDir'>;
/** `algorithm:hex`, sha256 or sha512. OCI image-spec v1.1, descriptor.md, "Digests". */
export type Digest = Brand<string, 'Digest'>;

export type HashAlgorithm = 'sha256' | 'sha384' | 'sha512';
/** SRI values (`sha512-<base64>`) computed from received bytes; the algorithms that were demanded. */
export type Computed = Readonly<Partial<Record<HashAlgorithm, Integrity>>>;

/** Where something stands in the list, 1-based; `file` is as the operator knows it (path, or the name of the variable). */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One enabled element of `plugins[]`, parsed; global policy already applied. */
export interface Entry {
  /** Position in `plugins[]` as written, disabled entries counted. */
  readonly index: number;
  /** The reference as written, redacted. */
  readonly package: string;
  readonly reference: Reference;
  /** From `integrity`, `@sha256:` and further registered keys; all must pass. */
  readonly checks: readonly Check[];
  /** Canonical text of all checks, the pin of this entry in the ledger; undefined when nothing is pinned. */
  readonly pin: string | undefined;
  /** Undefined: detect. */
  readonly format: string | undefined;
  readonly pullPolicy: 'IfNotPresent' | 'Always';
  readonly continueOnError: boolean;
  readonly pluginConfig: Readonly<Record<string, unknown>>;
  /** Dotted path for messages: `dynamicPlugins.plugins[3]` or `plugins[3]`, as the operator's file spells it. */
  readonly path: string;
  readonly at: Position;
}

/** An element of `plugins[]` that is not enabled. */
export interface SkippedEntry {
  readonly index: number;
  readonly package: string;
}

/** The whole list, parsed and checked; nothing later sees raw input. */
export interface PluginList {
  /** All enabled entries in list order, the refused ones among them. */
  readonly entries: readonly Entry[];
  readonly skipped: readonly SkippedEntry[];
  /** Entries whose source is not allowed: failures of one plugin, decided before any network access. */
  readonly refused: readonly { readonly entry: Entry; readonly error: InstallError }[];
  readonly continueOnError: boolean;
  readonly requireIntegrity: boolean;
  /** Patterns as written; empty means permissive. */
  readonly allowedSources: readonly string[];
  /** Whether a source (an entry, a redirect target, a tarball host) is admitted by `allowedSources`. */
  readonly admits: (origin: Origin) => boolean;
  /** `sha256:` and 12 hex characters over the canonical list. */
  readonly set: string;
  /** Where the list came from, for `startup`: a path or `PORTAL_PLUGINS_LIST`. */
  readonly file: string;
  /** Non-fatal remarks with positions, printed as warnings. */
  readonly warnings: readonly string[];
  readonly appConfig: AppConfig;
}

/** Something a registry says about an archive. Never proof. */
export interface Claims {
  readonly integrity?: Integrity;
  readonly digest?: Digest;
  /** Size in bytes as announced by metadata. */
  readonly bytes?: number;
}

/** Where a broken download goes on. `offset` 0: from the start. */
export interface ResumePoint {
  /** Bytes already on disk and hashed. */
  readonly offset: number;
  /** Strong validator (ETag) of the first answer, if there was one. */
  readonly validator: string | undefined;
}

/** One answer that carries archive bytes. */
export interface Body {
  readonly stream: AsyncIterable<Uint8Array>;
  /** Byte offset of the stream's first byte: the asked one, or 0 when the server starts over. */
  readonly offset: number;
  /** Size of the whole archive in bytes, if the server announced it. */
  readonly total: number | undefined;
  readonly validator: string | undefined;
  /** Address the bytes come from, redacted, for messages. */
  readonly from: string;
}

/** One archive of a pinned reference: a tarball, or one layer of an image. */
export interface Part {
  readonly claims: Claims;
  /** What messages call this part: redacted URL or `oci://…@digest`. */
  readonly label: string;
  /** One attempt: throws transient errors for `net/retry`, never retries itself. */
  open(ctx: Context, from: ResumePoint): Promise<Body>;
}

/** How an archive maps to a plugin directory. */
export type Layout =
  /** npm shape: exactly one top-level directory, stripped. */
  | 'package'
  /** image shape: plugin directories at the top; `within` picks one. */
  | 'image';

/** Immutable address of one plugin's bytes. */
export interface Pinned {
  /** Equal for all entries that share one download: `oci://host/repo@sha256:…`, a tarball URL. */
  readonly key: string;
  /** Resolved reference for log and ledger, redacted. */
  readonly text: string;
  readonly layout: Layout;
  /** Plugin directory inside the archive (`!PATH`, or the only path of the plugin annotation). */
  readonly within: ArchivePath | undefined;
  /** Several parts: layers of an image in order. */
  readonly parts: readonly Part[];
  /** The resolved OCI manifest digest, computed here. */
  readonly manifestDigest?: Digest;
  /** Name and version the registry resolved to; compared with package.json after unpacking. */
  readonly identity?: { readonly name: string; readonly version: string };
  /** Remarks of the registry (deprecation, mutable tag), printed as warnings. */
  readonly warnings: readonly string[];
}

/** A reference of one kind. Closures instead of a union: nothing after `sources/` switches on a kind. */
export interface Reference {
  readonly kind: string;
  /** Canonical spelling, redacted. */
  readonly text: string;
  readonly origin: Origin;
  /** Part of the image: no network, not subject to allowedSources or requireIntegrity. */
  readonly isLocal: boolean;
  /** The manifest digest the reference itself pins (`@sha256:`), else undefined. */
  readonly digest: Digest | undefined;
  /** Two entries with one identity are duplicates: repository or package name and `!PATH`, without tag, version or digest. */
  readonly identity: string;
  /** Warnings known from the text alone: `latest` implied, mutable range. */
  readonly warnings: readonly string[];
  resolve(entry: Entry, ctx: Context): Promise<Pinned>;
}

/** What a source may need to know to parse: npm's registry for a name depends on `.npmrc`. */
export interface ParseContext {
  /** Base URL with trailing slash. */
  npmRegistry(packageName: string): URL;
  /** Whose tarball addresses are rewritten to the registry: `npmjs` (default), `never`, `always` or a host name (`.npmrc`). */
  readonly npmReplaceRegistryHost?: string;
  isInsecureHost(host: string): boolean;
  /** Directory that `./dir` is relative to. */
  readonly cwd: string;
}

export interface Source {
  readonly kind: string;
  /** Undefined: not mine. Throws ReferenceInvalid when it is mine but malformed. */
  parse(text: string, ctx: ParseContext): Reference | undefined;
}

/** A demand on an archive, made from the list. */
export interface Check {
  readonly kind: string;
  /** Canonical text of what is demanded; part of the entry's pin. */
  readonly text: string;
  /** Hashes the download must compute for this check. */
  readonly needs: readonly HashAlgorithm[];
  /** Resolves with what was proved, or throws; there is no third outcome. */
  verify(subject: Fetched, ctx: Context): Promise<Evidence>;
}

export interface Evidence {
  readonly kind: string;
  /** The value that was proved: the SRI value or digest that matched. */
  readonly value: string;
}

export interface Resolved {
  readonly entry: Entry;
  readonly pinned: Pinned;
}

/** One downloaded archive in scratch space. */
export interface FetchedArchive {
  readonly path: AbsPath;
  readonly bytes: number;
  /** Hashed while the bytes were written; never copied from a header or a manifest. */
  readonly computed: Computed;
  readonly claims: Claims;
  /** Size announced by metadata or Content-Length; undefined when nobody said. */
  readonly announced: number | undefined;
  /** Redacted address the bytes came from. */
  readonly from: string;
}

export interface Fetched extends Resolved {
  readonly archives: readonly FetchedArchive[];
}

declare const proof: unique symbol;
/** Only `verify/index.ts` makes one. */
export interface Verified extends Fetched {
  readonly [proof]: true;
  readonly evidence: readonly Evidence[];
}

/** Read-only, bounded view of an unpacked plugin. */
export interface Tree {
  readonly root: AbsPath;
  /** Text of a regular file, or undefined when absent. Throws PackageJsonInvalid-style errors never; size over `maxBytes` throws EntryTooLarge. */
  readText(path: string, maxBytes: number): Promise<string | undefined>;
  /** True for a regular file (through honest in-tree links). */
  isFile(path: string): Promise<boolean>;
  isDirectory(path: string): Promise<boolean>;
  /** Names in a directory, sorted; empty when absent. */
  list(path: string): Promise<readonly string[]>;
  /** Whether any regular file name satisfies the predicate; bounded walk. */
  findFile(matches: (path: string) => boolean): Promise<string | undefined>;
}

export interface Unpacked extends Verified {
  readonly tree: Tree;
  readonly files: number;
  readonly unpackedBytes: number;
  /** sha256 hex over the tree (core/tree-digest.ts), computed while unpacking. */
  readonly treeDigest: string;
  /** Remarks of the unpacker (dropped `.bin` links, private files), as reason and text. */
  readonly notices: readonly Notice[];
}

/** A remark that is not a failure; `reason` is a warning row of REASONS, or undefined for a plain note. */
export interface Notice {
  readonly reason?:
    | 'SensitiveFile'
    | 'RemoteExposeMissing'
    | 'SharedStylesMissing'
    | 'NativeModule'
    | 'HostVersionUnsupported';
  readonly text: string;
}

/** What a portal family says about a plugin. */
export interface PluginManifest {
  readonly family: string;
  readonly name: string;
  readonly version: string;
  readonly dir: PluginDir;
  readonly role: string | undefined;
  readonly notices: readonly Notice[];
}

export interface Validated extends Unpacked {
  readonly manifest: PluginManifest;
}

/** Cheap identity of a directory tree, and its full hash. */
export interface Inventory {
  readonly files: number;
  readonly bytes: number;
  /** Newest ctime of any file or directory below (not of) the plugin directory, in milliseconds. */
  readonly newestChangeMs: number;
  /** sha256 over the sorted lines `mode size sha256 path`, computed while unpacking or on demand. */
  readonly treeDigest: string;
}

export interface Prepared extends Validated {
  readonly state: 'prepared';
  readonly from: AbsPath;
  readonly inventory: Inventory;
}

/** Ledger record of one plugin (docs/contracts.md, "What is written"). */
export interface LedgerRecord {
  readonly package: string;
  readonly pin: string | undefined;
  readonly format: string | undefined;
  readonly index: number;
  readonly name: string;
  readonly version: string;
  readonly family: string;
  readonly role: string | undefined;
  readonly dir: PluginDir;
  /** The immutable address the bytes came from. */
  readonly resolved: string;
  readonly manifestDigest: string | undefined;
  /** SRI values of the archives, in order. */
  readonly integrity: readonly string[];
  /** Archive bytes as transferred. */
  readonly bytes: number;
  readonly source: string;
  readonly evidence: readonly Evidence[];
  readonly inventory: Inventory;
}

export interface LedgerOutput {
  readonly name: string;
  /** sha256 hex of the file's content. */
  readonly sha256: string;
  /** `outputFingerprint` (formats/index.ts) of the set it was assembled from; equal: the file need not be assembled again. */
  readonly fingerprint?: string | undefined;
}

export interface Ledger {
  readonly schemaVersion: 1;
  readonly run: string;
  readonly set: string;
  /** ISO 8601, UTC. */
  readonly completedAt: string;
  readonly tool: string;
  /** What the plugins were validated by: program version and portal settings. Plugins on the volume are validated again where it differs. */
  readonly rules?: string | undefined;
  readonly plugins: readonly LedgerRecord[];
  /** Set-level files written beside the plugins. */
  readonly outputs: readonly LedgerOutput[];
  /** Tolerated failures of the run: entry and reason. */
  readonly rejected: readonly { readonly package: string; readonly index: number; readonly reason: string }[];
}

export interface Kept {
  readonly state: 'kept';
  readonly entry: Entry;
  readonly record: LedgerRecord;
}

export type Ready = Prepared | Kept;

export type Outcome = { readonly entry: Entry; readonly ms: number } & (
  | { readonly status: 'ready'; readonly ready: Ready }
  | { readonly status: 'rejected'; readonly error: InstallError }
);

declare const sealed: unique symbol;
/** Only `run/set.ts` makes one, and only for a complete set. */
export interface SealedSet {
  readonly [sealed]: true;
  readonly ready: readonly Ready[];
  readonly ledger: Ledger;
  readonly appConfig: AppConfig;
}

/** A set-level file, complete in memory; written by the commit. */
export interface SetOutput {
  readonly name: string;
  readonly content: string;
  /** Goes to the ledger (`LedgerOutput.fingerprint`). */
  readonly fingerprint?: string;
}

export interface Staged {
  readonly ready: Ready;
  readonly change: 'installed' | 'cached';
}

/** Result of a commit: what became visible and what left the volume. */
export interface Committed {
  readonly staged: readonly Staged[];
  readonly removed: readonly string[];
}

export interface Format {
  readonly family: string;
  detect(tree: Tree): Promise<boolean>;
  /** Throws the family's reasons (docs/plugins.md). */
  validate(tree: Tree, ctx: Context): Promise<PluginManifest>;
  /** Set-level files of this family; deterministic. */
  assemble?(set: SealedSet, root: AbsPath): Promise<readonly SetOutput[]>;
  /** Changes whenever `assemble` would write something else; cheap, so that an unchanged set need not be assembled. */
  fingerprint?(set: SealedSet, root: AbsPath): string;
}
