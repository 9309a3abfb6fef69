#!/bin/sh
aws sqs purge-queue --queue-url x
