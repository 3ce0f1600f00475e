import { expect, test } from 'vitest';
import { pullScopes } from '../../../installer/oci/token.ts';

test.each([
  [undefined, ['repository:acme/todo:pull']],
  ['', ['repository:acme/todo:pull']],
  ['repository:acme/todo:pull', ['repository:acme/todo:pull']],
  ['repository:acme/todo:pull,push,delete', ['repository:acme/todo:pull']],
  ['repository:acme/todo:*', ['repository:acme/todo:pull']],
  ['repository:proxy/acme/todo:pull', ['repository:proxy/acme/todo:pull']],
  ['repository:localhost:5000/todo:pull', ['repository:localhost:5000/todo:pull']],
  ['repository(plugin):acme/todo:pull', ['repository(plugin):acme/todo:pull']],
  ['repository:b:pull repository:a:pull  repository:b:pull', ['repository:a:pull', 'repository:b:pull']],
  ['registry:catalog:*', ['repository:acme/todo:pull']],
  ['repository:acme/todo:push', ['repository:acme/todo:pull']],
  ['pull', ['repository:acme/todo:pull']],
])('the challenge %j asks for no more than %j', (challenged, expected) => {
  expect(pullScopes(challenged, 'acme/todo')).toEqual(expected);
});
