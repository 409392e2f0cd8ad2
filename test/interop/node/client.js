'use strict';

// Driver of the official client for Node: commands as lines of fields between tabs on standard input, one answer for each.
// See process_test.go for the commands.

const readline = require('readline');
const { NacosNamingClient, NacosConfigClient } = require('nacos');

const [, , server, namespace, username, password, dir, tls] = process.argv;
const group = 'DEFAULT_GROUP';
const quiet = { info() {}, debug() {}, log() {}, warn: console.error, error: console.error };

const naming = new NacosNamingClient({ logger: quiet, serverList: server, namespace, username, password, ssl: Boolean(tls) });
naming.on('error', err => console.error(err));
const config = new NacosConfigClient({
  serverAddr: server, namespace: namespace === 'public' ? '' : namespace, username, password, cacheDir: dir, requestTimeout: 5000, ssl: Boolean(tls),
});
config.on('error', err => console.error(err));

const lists = new Map();
const contents = new Map();

function parse(text) {
  const [ip, port, clusterName, weight, healthy, enabled, ephemeral, meta] = text.split('|');
  const metadata = {};
  for (const pair of meta.split('&')) {
    const [k, v] = pair.split('=');
    if (k) metadata[k] = v;
  }
  return {
    ip, port: Number(port), clusterName, weight: Number(weight), metadata,
    healthy: healthy === 'true', enabled: enabled === 'true', ephemeral: ephemeral === 'true',
  };
}

function print(list) {
  return list.map(h => {
    const meta = Object.keys(h.metadata || {}).sort().map(k => `${k}=${h.metadata[k]}`).join('&');
    return [h.ip, h.port, h.clusterName, Number(h.weight).toFixed(2), h.healthy, h.enabled, h.ephemeral, meta].join('|');
  }).sort().join(' ');
}

const commands = {
  async ready() {
    await naming.ready();
    await config.ready();
    return '';
  },
  async register(service, text) {
    await naming.registerInstance(service, parse(text), group);
    return '';
  },
  async deregister(service, text) {
    await naming.deregisterInstance(service, parse(text), group);
    return '';
  },
  async list(service) {
    return print(await naming.getAllInstances(service, group, '', false));
  },
  async services() {
    const page = await naming._serverProxy.getServiceList(1, 1000, group); // the client has no public call for it
    return page.data.join(' ');
  },
  async subscribe(service) {
    naming.subscribe({ serviceName: service, groupName: group }, hosts => lists.set(service, print(hosts)));
    return '';
  },
  async seen(service) {
    return lists.has(service) ? lists.get(service) : '-';
  },
  async publish(dataId, content) {
    if (!await config.publishSingle(dataId, group, content)) throw new Error('the client answers false');
    return '';
  },
  async config(dataId) {
    return await config.getConfig(dataId, group) || '';
  },
  async remove(dataId) {
    if (!await config.remove(dataId, group)) throw new Error('the client answers false');
    return '';
  },
  async listen(dataId) {
    config.subscribe({ dataId, group }, content => contents.set(dataId, content || ''));
    return '';
  },
  async heard(dataId) {
    return contents.has(dataId) ? contents.get(dataId) : '-';
  },
};

const lines = readline.createInterface({ input: process.stdin });
let before = Promise.resolve();
lines.on('line', line => {
  const [op, ...args] = line.split('\t');
  before = before.then(async () => {
    try {
      console.log('ok\t' + await commands[op](...args));
    } catch (err) {
      console.log('error\t' + String(err.message).replace(/\s+/g, ' '));
    }
  });
});
lines.on('close', () => process.exit(0));
