// Prints unixfs.txt: the CIDs that Helia's importer gives for the recipes below.
//
//   npm install ipfs-unixfs-importer@17.1.1 blockstore-core && node unixfs.mjs > unixfs.txt
//
// Content of a file of n bytes: byte i is i mod 251. Lines: recipe, numbers, root CID, Tsize of the root.
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { MemoryBlockstore } from 'blockstore-core/memory'

const profile = 'unixfs-v1-2025'
const content = n => Uint8Array.from({ length: n }, (_, i) => i % 251)

async function root (input, options = {}) {
  let last
  for await (const entry of importer(input, new MemoryBlockstore(), { profile, ...options })) last = entry
  return `${last.cid} ${last.size}`
}

// file SIZE CHUNK LINKS
async function file (size, chunkSize = 1 << 20, links = 1024) {
  const shape = { chunker: fixedSize({ chunkSize }), layout: balanced({ maxChildrenPerNode: links }) }
  console.log('file', size, chunkSize, links, await root([{ content: content(size) }], shape))
}

// directory NAME: the root folder of the paths given
async function directory (name, entries) {
  console.log('directory', name, await root(entries, { wrapWithDirectory: true }))
}

const names = (count, length) => Array.from({ length: count }, (_, i) => `file-${String(i).padStart(length, '0')}`)
const files = names => names.map(path => ({ path, content: new TextEncoder().encode(path) }))

for (const size of [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3670016]) await file(size)
// Three levels: 4 links a node. 64 leaves are full, one more byte makes a chain of single links.
for (const size of [10, 40, 41, 160, 161, 640, 641, 2500]) await file(size, 10, 4)
// The profile's width: 1,024 leaves are one node, 1,025 are two below a root.
for (const size of [10240, 10241]) await file(size, 10, 1024)

await directory('one', files(['a.txt']))
await directory('names', files(['b', 'a', 'ä', 'Z', 'a b', '.hidden', 'long-'.repeat(40)]))
await directory('nested', [
  { path: 'a/b/c.txt', content: content(5) },
  { path: 'a/d.bin', content: content(1500000) },
  { path: 'a-b', content: content(0) }
])
await directory('empty-inside', [{ path: 'empty' }, { path: 'x', content: content(3) }])
await directory('link-inside', [{ path: 'to-x', link: 'x' }, { path: 'x', content: content(3) }])
// 54 bytes a name and 4 for the rest: 4,854 names are the largest plain node, 262,120 bytes; 4,855 are 262,174.
for (const count of [10, 4854, 4855, 10000]) await directory(`files-${count}`, files(names(count, 5)))
