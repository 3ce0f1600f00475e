import { describe, expect, test } from 'vitest';
import { isPersistent, mountedBelow, mountOf, parseMountInfo, podUidOf } from '../../../installer/stage/mounts.ts';

const UID = '3f0c2b1a-9d47-4a54-8f2c-0d1e2f3a4b5c';
const KUBELET = `/var/lib/kubelet/pods/${UID}`;
const line = (source: string, at: string, type: string, optional = ' shared:12 master:3'): string =>
  `36 35 98:0 ${source} ${at} rw,noatime${optional} - ${type} /dev/sda1 rw,errors=continue`;
const TABLE = [
  line('/', '/', 'overlay', ''),
  line('/', '/proc', 'proc'),
  line(`${KUBELET}/etc-hosts`, '/etc/hosts', 'ext4'),
  line(`${KUBELET}/volumes/kubernetes.io~empty-dir/dynamic-plugins`, '/dynamic-plugins-root', 'ext4'),
  line('/', '/data', 'ext4'),
  line('/', '/data/memory', 'tmpfs', ''),
  line('/with\\040space', '/mnt/a\\040b', 'xfs', ''),
  '',
].join('\n');

test('reads mount points, origins and types, with any number of optional fields', () => {
  expect(parseMountInfo(TABLE).slice(0, 3)).toEqual([
    { source: '/', at: '/', type: 'overlay' },
    { source: '/', at: '/proc', type: 'proc' },
    { source: `${KUBELET}/etc-hosts`, at: '/etc/hosts', type: 'ext4' },
  ]);
});

test('decodes octal escapes', () => {
  expect(parseMountInfo(TABLE).at(-1)).toEqual({ source: '/with space', at: '/mnt/a b', type: 'xfs' });
});

test('skips lines that are no mounts', () => {
  expect(parseMountInfo('garbage\n36 35 98:0 / /x rw\n')).toEqual([]);
});

test.each([
  ['/dynamic-plugins-root', '/dynamic-plugins-root'],
  ['/dynamic-plugins-root/sub', '/dynamic-plugins-root'],
  ['/dynamic-plugins-rootless', '/'],
  ['/data/memory/x', '/data/memory'],
  ['/data/memoryless', '/data'],
])('%s lies on the mount at %s', (path, at) => {
  expect(mountOf(parseMountInfo(TABLE), path)?.at).toBe(at);
});

test('takes the last of several mounts at one place, which hides the others', () => {
  const mounts = parseMountInfo(`${line('/', '/x', 'ext4')}\n${line('/', '/x', 'tmpfs')}`);
  expect(mountOf(mounts, '/x')?.type).toBe('tmpfs');
});

test('names what is mounted below a root, also when it is deeper', () => {
  const mounts = parseMountInfo(
    [line('/', '/r', 'ext4'), line('/', '/r/a', 'ext4'), line('/', '/r/b/c', 'tmpfs')].join('\n'),
  );
  expect([...mountedBelow(mounts, '/r')]).toEqual(['a', 'b']);
});

describe('fsync by default', () => {
  test.each([
    ['an emptyDir on the node’s disk', `${KUBELET}/volumes/kubernetes.io~empty-dir/v`, 'ext4', false],
    ['a subPath of an emptyDir', `${KUBELET}/volumes/kubernetes.io~empty-dir/v/sub`, 'xfs', false],
    [
      'an emptyDir where kubelet has a disk of its own',
      `/pods/${UID}/volumes/kubernetes.io~empty-dir/v`,
      'ext4',
      false,
    ],
    ['an emptyDir in memory', '/', 'tmpfs', false],
    ['the container’s own layer', '/', 'overlay', false],
    ['a block volume', '/', 'ext4', true],
    ['a hostPath, a local volume', '/srv/plugins', 'ext4', true],
    ['NFS', '/', 'nfs4', true],
    ['a directory that only looks like it', '/home/kubernetes.io~empty-dir', 'ext4', true],
  ])('for %s', (_, source, type, expected) => {
    expect(isPersistent({ source, at: '/dynamic-plugins-root', type })).toBe(expected);
  });

  test('is on where the kind of volume cannot be told', () => {
    expect(isPersistent(undefined)).toBe(true);
  });
});

describe('the pod', () => {
  test('is read from where kubelet keeps /etc/hosts', () => {
    expect(podUidOf(parseMountInfo(TABLE))).toBe(UID);
  });

  test('of a static pod has a UID without dashes', () => {
    const mounts = parseMountInfo(line(`/var/lib/kubelet/pods/${'ab'.repeat(16)}/etc-hosts`, '/etc/hosts', 'ext4'));
    expect(podUidOf(mounts)).toBe('ab'.repeat(16));
  });

  test('is read from the termination log where the network is the host’s', () => {
    expect(podUidOf(parseMountInfo(line(`${KUBELET}/containers/install/1f2e`, '/dev/termination-log', 'ext4')))).toBe(
      UID,
    );
  });

  test('is unknown outside Kubernetes, and where a volume of another pod is mounted', () => {
    expect(podUidOf(parseMountInfo(line('/', '/', 'ext4')))).toBeUndefined();
    const foreign = line(`${KUBELET}/volumes/kubernetes.io~csi/pvc/mount`, '/data', 'ext4');
    expect(podUidOf(parseMountInfo(foreign))).toBeUndefined();
  });
});
