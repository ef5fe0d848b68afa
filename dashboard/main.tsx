/** Starts the page. */
import './style.css';
import { render } from 'preact';
import { App } from './app.tsx';
import { start } from './state/liveStream.ts';

render(<App />, document.getElementById('app')!);
void start();
