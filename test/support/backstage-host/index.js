'use strict';
// As small as a real backend gets: everything else comes from the plugin root (APP_CONFIG_dynamicPlugins_rootDirectory).
const { createBackend } = require('@backstage/backend-defaults');
const { dynamicPluginsFeatureLoader } = require('@backstage/backend-dynamic-feature-service');

const backend = createBackend();
backend.add(dynamicPluginsFeatureLoader());
backend.start().catch((error) => {
  console.error(error);
  process.exit(1);
});
