/** Media types by name: image-spec v1.1 "media-types.md", Docker image manifest V2 schema 2. */
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

/** Always all four: distribution 2.8 answers 404 instead of 406 when the OCI types are missing. */
export const MANIFEST_ACCEPT: string = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].join(', ');

export const EMPTY = 'application/vnd.oci.empty.v1+json';
/** Digest of the two bytes `{}`, the content of the empty descriptor. */
export const EMPTY_DIGEST = 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a';

/** Config types that say "this is an image whose layers are a root file system". */
export const IMAGE_CONFIGS: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
]);

/** What is refused by name, with what it is called in messages. */
export const REFUSED: ReadonlyMap<string, string> = new Map([
  ['application/vnd.docker.distribution.manifest.v1+json', 'a Docker schema 1 manifest'],
  ['application/vnd.docker.distribution.manifest.v1+prettyjws', 'a Docker schema 1 manifest'],
  ['application/vnd.oci.artifact.manifest.v1+json', 'an OCI artifact manifest, a type that was withdrawn'],
  ['application/vnd.cncf.helm.config.v1+json', 'a Helm chart'],
  ['application/vnd.cncf.helm.chart.content.v1.tar+gzip', 'a Helm chart'],
]);
