/**
 * The one table that knows every reason: stage, exit code, meaning and fix. Log fields, the termination message, `explain` and the
 * documentation are all read from it (docs/contracts.md, "Reasons"). Names are PascalCase so that a Kubernetes Event can carry them.
 */
export type Stage = 'configure' | 'resolve' | 'fetch' | 'verify' | 'unpack' | 'validate' | 'commit' | 'run' | 'warning';

export interface ReasonRow {
  readonly stage: Stage;
  /** Exit code of the process when this reason decides it (core/exit.ts has the precedence); 0 for warnings. */
  readonly exit: number;
  /** One sentence: what happened. */
  readonly what: string;
  /** One sentence: what to do about it. */
  readonly fix: string;
}

const row = (stage: Stage, exit: number, what: string, fix: string): ReasonRow => ({ stage, exit, what, fix });

export const REASONS = {
  UsageInvalid: row(
    'configure',
    64,
    'the command line or a setting is not valid',
    'run portal-plugins --help and correct the named flag or variable',
  ),
  ListNotFound: row(
    'configure',
    78,
    'no plugin list was found in any of the places it may come from',
    'pass --config FILE or --values FILE, set PORTAL_PLUGINS_LIST, or mount the list at /etc/portal-plugins/dynamic-plugins.yaml',
  ),
  ListInvalid: row(
    'configure',
    78,
    'the plugin list does not match its schema',
    'correct the named value; docs/configuration.md lists all keys',
  ),
  ReferenceInvalid: row(
    'configure',
    78,
    'a package reference does not parse',
    'write it as oci://HOST/REPO:TAG, npm:NAME@VERSION, https://HOST/x.tgz or ./dir (docs/sources.md)',
  ),
  IntegrityMissing: row(
    'configure',
    78,
    'a remote plugin is not pinned',
    'add integrity: sha512-… to the entry, or pin the OCI reference with @sha256:…',
  ),
  IntegrityMalformed: row(
    'configure',
    78,
    'an integrity value is not a strict SRI value',
    'write sha512-, sha384- or sha256- followed by the whole base64 digest',
  ),
  CredentialsInvalid: row(
    'configure',
    78,
    'a credentials file cannot be read or understood',
    'correct the named file; docs/sources.md shows the accepted forms',
  ),
  DuplicateEntry: row(
    'configure',
    78,
    'two entries of the list are the same plugin',
    'remove one of the two named entries',
  ),
  PluginConfigConflict: row(
    'configure',
    78,
    'two plugins set the same app-config key to different values',
    'let only one of the two named plugins set that key',
  ),
  SourceNotAllowed: row(
    'configure',
    65,
    'the source matches no pattern of allowedSources',
    'add the printed pattern to allowedSources, or use an allowed source',
  ),
  PackageNotFound: row(
    'resolve',
    66,
    'the registry does not know the package or repository',
    'check the spelling of the reference and which registry serves it',
  ),
  VersionNotFound: row(
    'resolve',
    66,
    'the package exists, but not this version, tag or digest',
    'choose one of the versions the message lists',
  ),
  AuthRefused: row(
    'resolve',
    77,
    'the registry refused access (401 or 403)',
    'provide or renew the credential for this host; some registries answer this for what does not exist',
  ),
  RegistryUnavailable: row(
    'resolve',
    69,
    'the registry could not be reached or kept failing after all attempts',
    'check the registry and the network path to it, then restart the pod',
  ),
  RateLimited: row(
    'resolve',
    69,
    'the registry asked to slow down for longer than the deadline allows',
    'wait, lower PORTAL_PLUGINS_CONCURRENCY_PER_HOST, or authenticate',
  ),
  DnsFailed: row(
    'resolve',
    69,
    'the host name did not resolve',
    'check the host name in the reference and the DNS of the cluster',
  ),
  TlsFailed: row(
    'resolve',
    69,
    'the TLS connection could not be trusted',
    'mount the CA that signed the server certificate (PORTAL_PLUGINS_CA_FILE)',
  ),
  ProxyFailed: row(
    'resolve',
    69,
    'the proxy refused the request or could not be reached',
    'check HTTPS_PROXY, NO_PROXY and the proxy credentials',
  ),
  ManifestInvalid: row(
    'resolve',
    65,
    'the OCI manifest is not one this program accepts',
    'push the plugin as an OCI artifact with one archive layer, or as an OCI image',
  ),
  NoMatchingPlatform: row(
    'resolve',
    65,
    'the OCI index has no manifest for this platform',
    'push a manifest for one of the wanted platforms',
  ),
  LayerAmbiguous: row(
    'resolve',
    65,
    'the OCI artifact has several layers and none is marked as the archive',
    'push exactly one archive layer, or title one *.tgz',
  ),
  LayerUnsupported: row(
    'resolve',
    65,
    'a layer of the image is of a kind that cannot be fetched',
    'push the image without foreign layers',
  ),
  PluginPathRequired: row(
    'resolve',
    65,
    'the image holds several plugins and the reference names none',
    'append !PATH with one of the listed paths',
  ),
  PluginPathMissing: row(
    'unpack',
    65,
    'the plugin path does not exist in the image',
    'correct the part after ! in the reference',
  ),
  RedirectRefused: row(
    'fetch',
    65,
    'the server redirected to a place that is not allowed',
    'use the final address in the reference, or list the target in the setting the message names',
  ),
  RealmRefused: row(
    'fetch',
    65,
    'the token service named by the registry is not allowed',
    'list it in PORTAL_PLUGINS_AUTH_REALMS if it is genuine',
  ),
  UnexpectedContent: row(
    'fetch',
    65,
    'the server sent a page or text instead of an archive',
    'open the address: it is probably a login or error page',
  ),
  FileUnreadable: row(
    'fetch',
    66,
    'a local plugin cannot be read',
    'check that the image holds it as a file or directory and that the user of the init container may read it',
  ),
  SizeBudgetExceeded: row(
    'fetch',
    74,
    'the plugin or the set is larger than its byte budget',
    'raise the named setting or the size of the volume',
  ),
  IntegrityUnavailable: row(
    'verify',
    65,
    'neither the list nor the registry states an integrity for the archive',
    'pin the entry with integrity',
  ),
  IntegrityMismatch: row(
    'verify',
    65,
    'the bytes received do not have the pinned hash',
    'follow the cause in the message; accept the computed value only if the release is known to be good',
  ),
  DigestMismatch: row(
    'verify',
    65,
    'an OCI manifest or blob does not have the digest it was asked by',
    'check the registry or the cache in between; never accept the received value',
  ),
  PackageMismatch: row(
    'validate',
    65,
    'package.json names another package or version than the one resolved',
    'check the registry: the archive is not the package it was published as',
  ),
  ArchiveUnsupported: row(
    'unpack',
    65,
    'the archive is not a gzip, zstd or plain tar archive',
    'package the plugin with npm pack or tar czf',
  ),
  ArchiveCorrupt: row('unpack', 65, 'the archive is damaged or malformed', 'build and publish the plugin again'),
  ArchiveLayoutInvalid: row(
    'unpack',
    65,
    'the archive does not have exactly one top-level directory',
    'pack the plugin as npm pack does, below one directory',
  ),
  PathEscape: row(
    'unpack',
    65,
    'an archive entry would be written outside the plugin directory',
    'do not use this archive; report it to its author',
  ),
  PathInvalid: row(
    'unpack',
    65,
    'an archive entry has a path with forbidden characters',
    'rename the named file and publish again',
  ),
  PathTooDeep: row(
    'unpack',
    65,
    'an archive entry has a path that is too long or too deep',
    'shorten the named path, or raise the named setting',
  ),
  PathCollision: row(
    'unpack',
    65,
    'two archive entries claim the same path',
    'remove the duplicate; names that differ only in case or Unicode form count as equal',
  ),
  LinkEscape: row(
    'unpack',
    65,
    'a link in the archive is absolute, dangling or leaves the plugin directory',
    'pack the plugin without this link',
  ),
  EntryTypeForbidden: row(
    'unpack',
    65,
    'the archive holds a device, FIFO, socket or unknown entry',
    'pack regular files, directories and relative links only',
  ),
  EntryTooLarge: row(
    'unpack',
    65,
    'one file of the archive is larger than allowed',
    'raise the named setting if the file is honest',
  ),
  TooManyEntries: row(
    'unpack',
    65,
    'the archive has more entries than allowed',
    'raise the named setting if the archive is honest',
  ),
  CompressionRatioExceeded: row(
    'unpack',
    65,
    'the archive inflates far beyond its compressed size',
    'do not use this archive unless its author explains the ratio',
  ),
  FormatUnknown: row(
    'validate',
    65,
    'no portal family recognises the plugin',
    'a Backstage plugin needs backstage.role in its package.json (docs/plugins.md)',
  ),
  FormatAmbiguous: row('validate', 65, 'several portal families recognise the plugin', 'set format: on the entry'),
  FormatMismatch: row(
    'validate',
    65,
    'the plugin is not of the format the entry states',
    'correct format: on the entry or use the right package',
  ),
  PackageJsonMissing: row(
    'validate',
    65,
    'the plugin has no package.json',
    'package the plugin with its package.json at the top',
  ),
  PackageJsonInvalid: row('validate', 65, 'package.json is not valid', 'correct the named field and publish again'),
  NameInvalid: row(
    'validate',
    65,
    'the package name cannot be used as a directory name',
    'publish the plugin under a valid npm name',
  ),
  RoleMissing: row(
    'validate',
    65,
    'package.json has no backstage.role',
    'build the plugin with its portal toolchain, which writes the role',
  ),
  RoleUnsupported: row(
    'validate',
    65,
    'backstage.role is not one the portal can load',
    'use a plugin or plugin-module role',
  ),
  EntryPointMissing: row(
    'validate',
    65,
    'the entry file of the plugin does not exist',
    'build the plugin before packing it',
  ),
  RemoteManifestMissing: row(
    'validate',
    65,
    'the frontend plugin has no manifest the portal can load',
    'export the frontend plugin with its portal toolchain before packing it',
  ),
  RemoteManifestInvalid: row('validate', 65, 'the frontend manifest is not valid', 'export the frontend plugin again'),
  RemoteEntryMissing: row(
    'validate',
    65,
    'a file the frontend manifest names does not exist',
    'export the frontend plugin again',
  ),
  DirectoryConflict: row(
    'commit',
    78,
    'two plugins would be written to the same directory',
    'remove one of the two named entries',
  ),
  MixedFormats: row('commit', 78, 'one list holds plugins of two portal families', 'use one release for each portal'),
  VolumeMissing: row('commit', 73, 'the plugin root does not exist or is not a real directory', 'mount a volume there'),
  VolumeNotWritable: row(
    'commit',
    73,
    'the plugin root cannot be written',
    'mount it read-write in the init container and set fsGroup if it is a PVC',
  ),
  CommitFailed: row(
    'commit',
    73,
    'the new set could not be put in place; the previous one was restored',
    'read the cause; the volume may be failing',
  ),
  VolumeFull: row(
    'commit',
    74,
    'the volume is full',
    'raise the size of the volume, or of TMPDIR for verify: old and new set exist side by side during a change',
  ),
  LockBusy: row(
    'run',
    75,
    'another installer holds the volume',
    'wait for the other pod; the holder is named in the message',
  ),
  DeadlineExceeded: row(
    'run',
    75,
    'the run or one plugin took longer than its deadline',
    'look for the slow source in the log, or raise the named deadline',
  ),
  Terminated: row(
    'run',
    143,
    'the process was asked to stop (SIGTERM) before the new set was in place',
    'nothing: the volume is as it was',
  ),
  Interrupted: row(
    'run',
    130,
    'the process was interrupted (SIGINT) before the new set was in place',
    'nothing: the volume is as it was',
  ),
  Internal: row('run', 1, 'a bug in this program', 'report it with the log'),
  TerminationLogUnavailable: row(
    'warning',
    0,
    'the termination message could not be written',
    'set PORTAL_PLUGINS_TERMINATION_LOG to a writable path',
  ),
  CleanupFailed: row('warning', 0, 'scratch space could not be removed', 'nothing: the next run removes it'),
  LedgerUnreadable: row(
    'warning',
    0,
    'the ledger of the last run cannot be used, so every plugin is fetched again',
    'nothing: this run writes a new one',
  ),
  SensitiveFile: row('warning', 0, 'the archive holds a file that usually stays private', 'tell its author'),
  RemoteExposeMissing: row(
    'warning',
    0,
    'the Module Federation manifest exposes no "." module',
    'check that the portal does not need it',
  ),
  SharedStylesMissing: row(
    'warning',
    0,
    'the frontend shares @material-ui/core/styles but not @material-ui/styles',
    'share both, or styles clash in the portal',
  ),
  NativeModule: row('warning', 0, 'the plugin holds a compiled native module', 'check that it fits the portal image'),
  HostVersionUnsupported: row(
    'warning',
    0,
    'the plugin does not state support for the configured portal version',
    'use a plugin release for this portal version',
  ),
} as const satisfies Record<string, ReasonRow>;

export type Reason = keyof typeof REASONS;

/** `IntegrityMismatch` → `integrity_mismatch`, the spelling used in logs (docs/contracts.md, "Reasons"). */
export function snakeCase(reason: string): string {
  return reason.replace(/(?<!^)([A-Z])/g, '_$1').toLowerCase();
}
