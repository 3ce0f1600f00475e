import { shared } from './share-scope.js';

const React = await shared('react');

/** Asks the backend half of this pair and shows its greeting. */
export function HelloPage() {
  const [greeting, setGreeting] = React.useState('…');
  React.useEffect(() => {
    fetch('/api/hello/ping')
      .then((response) => response.json())
      .then((body) => setGreeting(body.greeting))
      .catch((error) => setGreeting(`no answer: ${error.message}`));
  }, []);
  return React.createElement('main', { id: 'hello-page' }, React.createElement('h1', null, greeting));
}

export const dynamicRoutes = [{ path: '/hello', importName: 'HelloPage', menuItem: { text: 'Hello' } }];
export const menuItems = [{ key: 'hello', text: 'Hello', to: '/hello' }];
