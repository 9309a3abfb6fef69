#!/bin/sh
aws s3 cp s3://acme-config/app.json /etc/app.json
exec /bin/app
