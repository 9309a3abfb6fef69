import OpenAI from "openai";
import Anthropic from "@anthropic-ai/sdk";
import * as Sentry from "@sentry/node";
import { MongoClient } from "mongodb";
import { Redis } from "@upstash/redis";
import { neon } from "@neondatabase/serverless";

Sentry.init({});
export const all = [new OpenAI(), new Anthropic(), new MongoClient("mongodb+srv://x.example.net"), new Redis({}), neon("")];
