import { supabase } from "./lib/database";
import { upload } from "./lib/files";
import { workos } from "./lib/identity";
import { session } from "./lib/session";

export async function main() {
  await supabase.from("users").select("*");
  await upload("a", "b");
  session();
  return workos.userManagement.listUsers();
}
main();
