// A press by jsonapi-server: node press.js PORT. Its rows are in data.json beside it.
'use strict'
const fs = require('fs')
const jsonApi = require('jsonapi-server')

const data = JSON.parse(fs.readFileSync(`${__dirname}/data.json`))
jsonApi.setConfig({ graphiql: false, protocol: 'http', hostname: '127.0.0.1', port: Number(process.argv[2]), base: 'rest' })
const J = jsonApi.Joi
const define = (resource, attributes) =>
  jsonApi.define({ resource, handlers: new jsonApi.MemoryHandler(), attributes, examples: data[resource] })

define('people', { name: J.string(), mark: J.string(), articles: J.belongsToMany({ resource: 'articles', as: 'author' }) })
define('tags', { name: J.string(), mark: J.string(), parent: J.one('tags') })
define('articles', {
  title: J.string(), created: J.string(), status: J.string(), views: J.number(), mark: J.string(),
  author: J.one('people'), tags: J.many('tags'), comments: J.belongsToMany({ resource: 'comments', as: 'article' })
})
define('comments', { body: J.string(), at: J.string(), mark: J.string(), article: J.one('articles'), author: J.one('people') })
jsonApi.onUncaughtException((request, error) => console.error(error.stack))
jsonApi.start()
