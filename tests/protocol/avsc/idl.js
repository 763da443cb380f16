// Prints the protocol that avsc's IDL parser reads from a file. Usage: node idl.js FILE
'use strict';

require('avsc').assembleProtocol(process.argv[2], (error, protocol) => {
  if (error) {
    console.error(error);
    process.exit(1);
  }
  console.log(JSON.stringify(protocol));
});
