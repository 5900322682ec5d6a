// webdemo.mjs PIDFILE [PORT]: answers every request with the name of this node. The pid file appears when
// the port is open, so that whoever waits for it knows that the service is there.

import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { hostname } from 'node:os'

const [pidfile = '/run/webdemo.pid', port = '80'] = process.argv.slice(2)

const server = createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'text/plain', connection: 'close' })
  response.end(`${hostname()}\n`)
})
server.on('error', () => process.exit(1))
server.listen(Number(port), '0.0.0.0', () => writeFileSync(pidfile, `${process.pid}\n`))
