import { coreServices, createBackendPlugin } from '@backstage/backend-plugin-api';

const DEFAULT_GREETING = 'Hello from a plugin that was installed at pod start';

/** `GET /api/hello/ping` answers `{ plugin, version, greeting }`; the greeting is `hello.greeting` of app-config. */
export default createBackendPlugin({
  pluginId: 'hello',
  register(env) {
    env.registerInit({
      deps: {
        config: coreServices.rootConfig,
        httpRouter: coreServices.httpRouter,
        logger: coreServices.logger,
      },
      async init({ config, httpRouter, logger }) {
        const greeting = config.getOptionalString('hello.greeting') ?? DEFAULT_GREETING;
        httpRouter.use((request, response, next) => {
          if (request.method !== 'GET' || request.path !== '/ping') {
            next();
            return;
          }
          response.json({ plugin: PLUGIN_NAME, version: PLUGIN_VERSION, greeting });
        });
        httpRouter.addAuthPolicy({ path: '/ping', allow: 'unauthenticated' });
        logger.info('hello: ready');
      },
    });
  },
});
