import { answersOn } from './answers.ts'

answersOn(18)
