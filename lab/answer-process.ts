// answer-process.js NAME PORT: answers every datagram and every HTTP request with NAME.

import { createSocket } from 'node:dgram'
import { createServer } from 'node:http'

const [name = '', port = '0'] = process.argv.slice(2)

const udp = createSocket('udp4')
udp.on('message', (message, from) => {
  udp.send(`${message.toString('latin1')} ${name}`, from.port, from.address)
})
udp.bind(Number(port), '0.0.0.0')

createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'text/plain', connection: 'close' })
  response.end(`${name}\n`)
}).listen(Number(port), '0.0.0.0')
