const { Pool } = require("pg");

exports.pool = new Pool({ host: process.env.DATABASE_HOST });
